//! `POST /saga/maintenance/cleanup-pending`: gives up orders that were to be paid elsewhere and were not.
//! Orders that are paid by card are their saga's, which has deadlines and an operator's verbs.

use axum::Json;
use axum::extract::State;
use sagaline_storage::{Backend, Clock};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pending::oldest;
use crate::app::ChangeError;
use crate::canary::planted;
use crate::domain::{OrderId, OrderStatus, PaymentKind};
use crate::engine::CommandMetadata;
use crate::http::app::App;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::correlation::Correlation;
use crate::http::error::Error;
use crate::http::failure;
use crate::http::routes::operator::check_reason;
use crate::limits::{
    CLEANUP_AGE_S_MIN, CLEANUP_LOOKED_AT_MAX, CLEANUP_ORDERS_MAX, PAGE_ENTRIES_MAX,
};
use crate::projections::{OrderDocument, Orders, partition};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "nobody paid within a week", "olderThanS": 604800, "dryRun": true}))]
pub(super) struct CleanupBody {
    /// Kept with every order that is given up; one line.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Only orders older than this, in seconds; at least 60.
    #[schema(minimum = 60)]
    older_than_s: u64,
    /// Only says what it would do.
    #[serde(default)]
    dry_run: bool,
}

/// What was swept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cleanup {
    dry_run: bool,
    /// Orders that failed now; with `dryRun` those that would.
    given_up: Vec<OrderId>,
    /// Pending orders of that age that are paid by card: their sagas are at work on them.
    left_to_their_sagas: usize,
    /// There may be more: ask again.
    more: bool,
}

/// Gives up orders that were to be paid elsewhere, and that nobody paid for so long.
///
/// At most 100 at once. An order that is confirmed at the same moment stays paid: the log decides.
#[utoipa::path(
    post, path = "/saga/maintenance/cleanup-pending", operation_id = "cleanUpPendingOrders", tag = "Operators",
    security(("bearer" = ["admin"])),
    request_body = CleanupBody,
    responses((status = 200, description = "What was swept", body = Cleanup)),
)]
pub(super) async fn cleanup_pending<B: Backend>(
    State(app): State<App<B>>,
    _: Admin,
    correlation: Correlation,
    JsonBody(body): JsonBody<CleanupBody>,
) -> Result<Json<Cleanup>, Error> {
    check_reason(&body.reason)?;
    if body.older_than_s < CLEANUP_AGE_S_MIN {
        let wants = format!("{}: wants at least {CLEANUP_AGE_S_MIN}", body.older_than_s);
        return Err(Error::field("olderThanS", wants));
    }
    let mut age_us = body.older_than_s.saturating_mul(1_000_000);
    if planted("cleanup-takes-what-is-young") {
        age_us = 0;
    }
    if planted("cleanup-leaves-what-is-old") {
        age_us = age_us.saturating_mul(60);
    }
    let until_us = app.clock().now().0.saturating_sub(age_us);
    let (unpaid, by_card, more) = pending_until(&app, until_us).await?;
    let metadata = CommandMetadata { correlation_id: correlation.id, causation_id: None };
    let mut given_up = Vec::new();
    for order in unpaid {
        if body.dry_run || give_up(&app, order, &body.reason, &metadata).await? {
            given_up.push(order);
        }
    }
    Ok(Json(Cleanup { dry_run: body.dry_run, given_up, left_to_their_sagas: by_card, more }))
}

/// Orders placed before `until_us` that nobody paid yet, how many more are paid by card, and whether
/// the look ended before the end.
async fn pending_until<B: Backend>(
    app: &App<B>,
    until_us: u64,
) -> Result<(Vec<OrderId>, usize, bool), Error> {
    let view = app.views::<Orders>()?;
    app.caught_up(&view).await?;
    let (mut unpaid, mut by_card, mut cursor) = (Vec::new(), 0, None);
    while unpaid.len() + by_card < CLEANUP_LOOKED_AT_MAX {
        let of_status = partition(&[OrderStatus::Pending.as_str()]);
        let page = view.query(oldest(of_status, cursor, PAGE_ENTRIES_MAX as usize)).await;
        let page = page.map_err(failure::storage)?;
        let old = |order: &&OrderDocument| order.created_at.0 < until_us;
        for order in page.documents.iter().take_while(old) {
            match order.payment_method.kind {
                PaymentKind::Card => by_card += 1,
                PaymentKind::External if unpaid.len() == CLEANUP_ORDERS_MAX => {
                    return Ok((unpaid, by_card, true));
                }
                PaymentKind::External => unpaid.push(order.id),
            }
        }
        let past = page.documents.last().is_none_or(|last| last.created_at.0 >= until_us);
        cursor = page.cursor;
        if past || cursor.is_none() {
            return Ok((unpaid, by_card, false));
        }
    }
    Ok((unpaid, by_card, true))
}

/// False: it came to another end in the meantime.
async fn give_up<B: Backend>(
    app: &App<B>,
    order: OrderId,
    reason: &str,
    metadata: &CommandMetadata,
) -> Result<bool, Error> {
    match app.orders().give_up(order, reason, metadata).await {
        Ok(_) => Ok(true),
        Err(
            ChangeError::NotFound
            | ChangeError::Refused(_)
            | ChangeError::SagaRefused(_)
            | ChangeError::InDoubt(_)
            | ChangeError::RefundRefused { .. },
        ) => Ok(false),
        Err(ChangeError::Unavailable(cause)) => Err(Error::Unavailable(cause)),
    }
}
