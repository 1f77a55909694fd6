//! A pivot in doubt is settled before the saga goes back.
