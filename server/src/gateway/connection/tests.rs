use super::*;

fn size<F: Future>(_: impl FnOnce(Chat, Identity, Wire, Place, CancellationToken) -> F) -> usize {
    size_of::<F>()
}

/// Every idle socket pays for its task. What grows it belongs into a box.
#[test]
fn the_task_of_a_socket_is_small() {
    let bytes = size(serve);
    assert!(bytes <= 1_600, "{bytes} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_waits_is_closed() {
    let mut pace = Pace::new();
    let outcomes: Vec<_> = (0..20_000).map(|_| pace.step()).take_while(Result::is_ok).collect();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Some(_)))).count();
    assert_eq!(refused, 999);
    assert!(outcomes.len() >= 999 + 2_000);
    assert_eq!(pace.step(), Err(Ending::close(close::RATE_LIMITED, "too many frames")));
    tokio::time::advance(CALM * 2).await;
    assert!(pace.step().is_ok());
}

#[test]
fn a_page_of_changes_is_cut_to_what_fits() {
    use protocol::{Change, ChangeKind, UserId};
    let change = |rev, length| {
        Change::new(rev, ChangeKind::Renamed { by: UserId::generate(), title: "x".repeat(length) })
    };
    let page = |changes: Vec<Change>| protocol::rest::Changes {
        from: 0,
        to: changes.last().unwrap().rev,
        changes,
        more: false,
    };
    let mut small = page(vec![change(1, 10), change(2, 10)]);
    fit(&mut small);
    assert_eq!((small.to, small.more, small.changes.len()), (2, false, 2));
    let mut large = page((1..=10).map(|rev| change(rev, CHANGES_BYTES / 4)).collect());
    fit(&mut large);
    assert_eq!((large.to, large.more, large.changes.len()), (3, true, 3));
    let mut one = page(vec![change(1, 2 * CHANGES_BYTES), change(2, 1)]);
    fit(&mut one);
    assert_eq!((one.to, one.more, one.changes.len()), (1, true, 1));
}
