//! A folder of 100,000 files is listed whole, in the memory of a short one.

use testkit::{
    Stack, Tenant,
    customer::{Customer, must},
    gateway::Gateway,
    long_folder,
};

const FILES: usize = 100_000;
/// What listings may add to the gateway's memory: far below what so many entries take (some 300 bytes each, in each of the listings).
const GROWTH_BYTES_MAX: u64 = 24 << 20;
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

/// The same on the stack's own S3: two pages, and all in the long tier, since filling it takes minutes.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_stack() {
    let files = if std::env::var_os("BROADCAST_LONG").is_some() { FILES } else { 1500 };
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "longer").await;
    let mut puts = tokio::task::JoinSet::new();
    for n in 0..files {
        if puts.len() >= 32 {
            puts.join_next().await.unwrap().unwrap();
        }
        let (aws, bucket) = (tenant.aws.clone(), tenant.bucket.clone());
        // Not in Incoming, where each would wake the import.
        puts.spawn(async move { aws.put(&bucket, &format!("Finished/{}", long_folder::name(n)), "x").await });
    }
    puts.join_all().await;
    let listed = must(Customer::of(&tenant).sftp(&["ls -1 Finished"])).await;
    assert_eq!(listed.lines().filter(|line| line.contains("/recipients-of-")).count(), files);
}
