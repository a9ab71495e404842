//! The console lists the File Exchange with each file's end, and hands a file out to those alone who may see recipients, of its own tenant.

use localstack::Stack;
use testkit::{
    Tenant,
    browser::{Browser, User},
    http::Http,
    wait,
};

const NAME: &str = "list of \"spring\" & co.csv";
const CONTENT: &str = "email;name\nann@people.example;Ann\n";

/// A tenant with a file in Incoming, and where the file is downloaded.
async fn uploaded(name: &str) -> (Tenant, Browser, String) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, name).await;
    let path = tenant.folder.path().join("list.csv");
    std::fs::write(&path, CONTENT).unwrap();
    let name = NAME.replace('"', "\\\"");
    tenant.sftp().must(&[format!("put {} \"Incoming/{name}\"", path.display())]).await;
    let user = User::new(&stack, Some(tenant.id), "admin").await;
    let mut browser = Browser::new(&stack);
    browser.log_in(&user).await;
    let path =
        wait::until("the file in the index", async || download(&browser.get("/files").await.text)).await;
    (tenant, browser, path)
}

fn download(page: &str) -> Option<String> {
    let (before, _) = page.split_once("/download\"")?;
    Some(format!("{}/download", before.rsplit_once("href=\"")?.1))
}

#[tokio::test]
async fn with_the_time_of_its_end_and_as_it_came() {
    let (_tenant, mut browser, path) = uploaded("files").await;
    let page = browser.get("/files?folder=Incoming").await;
    page.must_be("/files", 200);
    for expected in ["list of &quot;spring&quot; &amp; co.csv", "just now", "in 2 days", "34\u{a0}B"] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    let answer = browser.send("GET", &path, &[], "").await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let link = answer.headers["location"].to_str().unwrap();
    // The storage hands it out to whoever has the link, as a file and never as a page.
    let file = Http::default().get(link, "testkit").await;
    assert_eq!((file.status.as_u16(), file.text().as_str()), (200, CONTENT));
    assert_eq!(file.headers["content-type"], "application/octet-stream");
    let disposition = file.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename*=UTF-8''list%20of%20%22spring%22%20%26%20co.csv");
    for folder in ["Finished", "Invalids", "Exports"] {
        let page = browser.get(&format!("/files?folder={folder}")).await;
        assert!(page.status == 200 && page.text.contains("No file stands here"), "{}", page.text);
    }
    assert_eq!(browser.get("/files?folder=Elsewhere").await.status, 404);
}

#[tokio::test]
async fn to_nobody_else() {
    let (tenant, mut own, path) = uploaded("isolated").await;
    let stranger = Tenant::new(&tenant.stack, "stranger").await;
    let mut other = Browser::new(&tenant.stack);
    other.log_in(&User::new(&tenant.stack, Some(stranger.id), "admin").await).await;
    assert_eq!(other.get(&path).await.status, 404);
    // A viewer sees that it is there.
    let mut viewer = Browser::new(&tenant.stack);
    viewer.log_in(&User::new(&tenant.stack, Some(tenant.id), "viewer").await).await;
    let page = viewer.get("/files").await;
    assert!(page.text.contains("list of") && download(&page.text).is_none(), "{}", page.text);
    assert_eq!(viewer.get(&path).await.status, 403);
    // What is gone is not linked to, although the index may still have it.
    tenant
        .aws
        .s3
        .delete_object()
        .bucket(&tenant.bucket)
        .key(format!("Incoming/{NAME}"))
        .send()
        .await
        .unwrap();
    assert_eq!(own.get(&path).await.status, 404);
}
