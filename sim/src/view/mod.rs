//! A run to look at: one HTML file that needs nothing else. Machines are lanes over time; requests go
//! from lane to lane, faults lie over the lanes they hit, sagas are coloured threads. Made from evidence
//! by the command line; shows what was seen and judges nothing.

mod drawing;
mod hurt;
mod whose;

pub use drawing::{Drawing, Event, FaultBand, Message, SagaThread, ViolationNote, draw};

use crate::evidence::Evidence;
use crate::oracle::Finding;
use crate::verdict::Verdict;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of a run.
pub fn html(evidence: &Evidence, verdict: &Verdict, findings: &[(String, Finding)]) -> String {
    let drawing = draw(evidence, verdict, findings);
    // Drawings are plain data with text for keys.
    let data = serde_json::to_string(&drawing).expect("a drawing is plain data");
    // Nothing that a run said may end the script that holds it.
    let data = data.replace("</", "<\\/").replace("<!--", "<\\u0021--");
    let title = format!("{} {}: {verdict}", evidence.plan.scenario, evidence.plan.seed);
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    // The data last: what it says must not be taken for a place to fill.
    let page = PAGE.replace("{{title}}", &title).replace("{{style}}", STYLE);
    page.replace("{{script}}", SCRIPT).replace("{{data}}", &data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::evidence;

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_nothing_in_it_breaks_out() {
        let page = html(&evidence(), &Verdict::Pass, &[]);
        for outside in ["http://", "https://", "src=\"", "@import", "{{"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("</script><b>"), "what an order says ended the script");
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn a_page_has_the_run_in_it() {
        let page = html(&evidence(), &Verdict::Pass, &[]);
        for part in ["node-3", "POST /orders", "capture", "partition", "OrderPlaced"] {
            assert!(page.contains(part), "{part}");
        }
    }
}
