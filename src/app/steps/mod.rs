//! The steps of the application's sagas, one a file.

mod authorize_payment;
mod cancel_refunded;
mod capture_payment;
mod confirm_order;
mod payment;
mod place_order;
mod refund_payment;

pub use authorize_payment::AuthorizePayment;
pub use cancel_refunded::CancelRefunded;
pub use capture_payment::CapturePayment;
pub use confirm_order::ConfirmOrder;
pub use place_order::PlaceOrderStep;
pub use refund_payment::RefundPayment;
