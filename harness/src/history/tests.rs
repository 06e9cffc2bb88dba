use super::{History, What, parse, read};
use std::io::Cursor;

#[tokio::test]
async fn a_history_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let (history, writer) = History::begin(&path).unwrap();
    let user = protocol::UserId::generate();
    history
        .note(What::Run { seed: 7, server: "0.1.0".into(), several: false, workload: Default::default() })
        .await;
    history.record("ada/1", user, What::Connected).await;
    drop(history);
    assert_eq!(writer.finish().await.unwrap(), 2);
    let parsed = read(&path).unwrap();
    assert!(!parsed.torn);
    assert_eq!(parsed.records[1].client, "ada/1");
    assert_eq!(parsed.records[1].user, Some(user));
    assert_eq!(parsed.records[1].what, What::Connected);
}

#[test]
fn a_torn_last_line_is_left_out_and_told() {
    let line = r#"{"t":1,"client":"ada/1","what":"connected"}"#;
    let parsed = parse(Cursor::new(format!("{line}\n{}", &line[..20]))).unwrap();
    assert_eq!((parsed.records.len(), parsed.torn), (1, true));
    assert!(super::super::check::check(&parsed).to_string().contains("the last line was cut short"));
    let error = parse(Cursor::new(format!("{}\n{line}\n", &line[..20]))).unwrap_err();
    assert!(error.starts_with("line 1"), "{error}");
}
