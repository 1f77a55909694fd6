//! What a crash may take: the last commits, as whole ones.

use crate::views::{ViewBatch, ViewStore};

use super::CrashableViews;
use super::model::{Model, Op, random_ops};
use super::samples::*;

/// All of them.
pub async fn run_all<F: CrashableViews>(factory: &F) {
    flushed_commits_survive_a_crash(factory).await;
    crash_leaves_a_prefix_of_the_commits(factory).await;
}

/// With everything they consist of.
pub async fn flushed_commits_survive_a_crash<F: CrashableViews>(factory: &F) {
    let store = factory.create().await;
    commit(&store, moving(batch([put_in(b"ada", b"o-1", b"{1}")]), "s", None, 3)).await;
    assert_eq!(store.flush().await, Ok(()));
    let store = factory.crash(store).await;
    assert_eq!(scan(&store, VIEW, 10).await, [("o-1".into(), "{1}".into())]);
    assert_eq!((count(&store, b"ada").await, checkpoint(&store, "s").await), (1, Some(3)));
    commit(&store, moving(batch([put_in(b"ada", b"o-2", b"{2}")]), "s", Some(3), 4)).await;
    assert_eq!(count(&store, b"ada").await, 2);
}

/// What is found afterwards is what some commit had made, not before the last flush; the number of
/// that commit stands in the checkpoint.
pub async fn crash_leaves_a_prefix_of_the_commits<F: CrashableViews>(factory: &F) {
    const COMMITS: usize = 60;
    for flushed in [0, 1, 30, COMMITS] {
        let store = factory.create().await;
        let (mut model, mut states) = (Model::default(), vec![Model::default()]);
        for op in random_ops(flushed as u64, COMMITS * 2) {
            let Op::Commit(ViewBatch { changes, .. }) = op else { continue };
            let done = states.len() as u64;
            let before = (done > 1).then_some(done - 1);
            let changed = ViewBatch { changes, checkpoints: Vec::new() };
            let numbered = moving(changed, "s", before, done);
            assert_eq!(model.commit(&numbered), Ok(()));
            commit(&store, numbered).await;
            states.push(model.clone());
            if states.len() == flushed + 1 {
                assert_eq!(store.flush().await, Ok(()));
            }
            if states.len() == COMMITS + 1 {
                break;
            }
        }
        assert_eq!(states.len(), COMMITS + 1, "all commits were made");
        let store = factory.crash(store).await;
        let survived = checkpoint(&store, "s").await.unwrap_or(0) as usize;
        assert!((flushed..=COMMITS).contains(&survived), "{survived} of {flushed} flushed");
        states[survived].assert_equals(&store).await;
    }
}
