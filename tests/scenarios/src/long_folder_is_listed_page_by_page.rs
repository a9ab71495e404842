//! A folder of 100,000 files is listed whole, in the memory of a short one.

use testkit::{
    Stack, Tenant,
    customer::{Customer, must},
    gateway::Gateway,
    long_folder,
    packets::{Answer, Sftp, kind, status},
    ssh::Ssh,
};

const FILES: usize = 100_000;
/// What listings may add to the gateway's memory: far below what so many entries take (some 300 bytes each, in each of the listings).
const GROWTH_BYTES_MAX: u64 = 24 << 20;
/// Names in one answer: the gateway's are of 100.
const ANSWER_ENTRIES_MAX: usize = 100;
/// Listings at once.
const LISTINGS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn in_bounded_memory() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "long").await;
    let s3 = long_folder::serve(FILES).await;
    // The rest stays with the stack.
    let gateway = Gateway::start(&stack, &[("AWS_ENDPOINT_URL_S3", &s3)]).await;
    let customer = Customer::at(&tenant, &gateway.address);
    must(customer.sftp(&["ls Finished"])).await;
    let before = gateway.resident();
    let listings = (0..LISTINGS).map(|_| tokio::spawn(must(customer.sftp(&["ls -ln Incoming"]))));
    for listing in listings.collect::<Vec<_>>() {
        let listed = listing.await.unwrap();
        assert_eq!(listed.lines().filter(|line| line.contains("/recipients-of-")).count(), FILES);
        for n in [0, 999, 1000, 50_000, FILES - 1] {
            let name = format!("Incoming/{}", long_folder::name(n));
            let line = listed.lines().find(|line| line.ends_with(&name)).expect("the file");
            assert_eq!(line.split_ascii_whitespace().nth(4), Some(n.to_string().as_str()), "{line}");
        }
    }
    let growth = gateway.resident_peak().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more for {LISTINGS} listings");
}

/// The same on the stack's own S3, with real files: two of its pages, and all in the long tier, since filling it takes minutes.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_stack() {
    let files = if std::env::var_os("BROADCAST_LONG").is_some() { FILES } else { 1500 };
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "longer").await;
    fill(&tenant, files).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let customer = Customer::at(&tenant, &gateway.address);
    must(customer.sftp(&["ls Exports"])).await;
    let before = gateway.resident();
    let listed = must(customer.sftp(&["ls -1 Finished"])).await;
    assert_eq!(listed.lines().filter(|line| line.contains("/recipients-of-")).count(), files);

    let mut ssh = Ssh::connect(&gateway.address, &tenant.slug).await;
    assert!(ssh.key(&tenant.ssh_key).await.success());
    let names = listed_by_hand(&mut ssh.sftp().await, "Finished").await;
    assert!(
        names.iter().eq((0..files).map(long_folder::name).collect::<Vec<_>>().iter()),
        "each once, in order"
    );
    let growth = gateway.resident_peak().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more for {files} files");
}

/// Puts the files into Finished: in Incoming each would wake the import.
async fn fill(tenant: &Tenant, files: usize) {
    let mut puts = tokio::task::JoinSet::new();
    for n in 0..files {
        if puts.len() >= 32 {
            puts.join_next().await.unwrap().unwrap();
        }
        let (aws, bucket) = (tenant.aws.clone(), tenant.bucket.clone());
        puts.spawn(async move { aws.put(&bucket, &format!("Finished/{}", long_folder::name(n)), "x").await });
    }
    puts.join_all().await;
}

/// The names of a folder as they come, answer by answer, each of which is short.
async fn listed_by_hand(sftp: &mut Sftp, folder: &str) -> Vec<String> {
    let handle = sftp.ask_one(kind::OPENDIR, folder).await.handle();
    let mut all = Vec::new();
    loop {
        match sftp.ask_one(kind::READDIR, &handle).await {
            Answer::Names(names) => {
                assert!((1..=ANSWER_ENTRIES_MAX).contains(&names.len()), "{} names at once", names.len());
                let entries = names.into_iter().map(|(name, _)| name);
                all.extend(entries.filter(|name| !matches!(name.as_str(), "." | "..")));
            }
            Answer::Status(status::EOF, _) => break,
            refused => panic!("{refused:?}"),
        }
    }
    sftp.close(&handle).await.done();
    all
}
