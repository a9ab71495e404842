//! SFTP version 3, whole: every combination of an open's flags over no file, a finished one and an unfinished upload; writes in any order,
//! reads at any place. What S3 cannot do is refused in words, and nothing is lost by it.

use bytes::Bytes;
use testkit::{
    Stack, Tenant,
    packets::{Answer, Sftp, fields, flag, kind, status},
    ssh::Ssh,
    wait,
};

const FINISHED: &[u8] = b"a finished file";
const UNFINISHED: &[u8] = b"0123456789";
/// See `gateway::gateway`: transfers of one tenant at once.
const TRANSFERS: u32 = 16;
const PIECE: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nothing,
    Finished,
    Unfinished,
}

/// What an open answers (a code, or 0 for a handle), and what stands there after the handle was closed with nothing written.
fn expected(flags: u32, standing: Standing) -> (u32, Option<&'static [u8]>) {
    use Standing::{Finished, Nothing, Unfinished};
    let has = |flag: u32| flags & flag == flag;
    let as_before = match standing {
        Nothing | Unfinished => None,
        Finished => Some(FINISHED),
    };
    if !has(flag::WRITE) {
        let code = match standing {
            Nothing => status::NO_SUCH_FILE,
            Finished => status::OK,
            Unfinished => status::FAILURE,
        };
        return (code, as_before);
    }
    match standing {
        Nothing if has(flag::CREATE) => (status::OK, Some(b"")),
        Nothing => (status::NO_SUCH_FILE, None),
        _ if has(flag::CREATE | flag::EXCLUDE) => (status::FAILURE, as_before),
        _ if has(flag::TRUNCATE) => (status::OK, Some(b"")),
        Unfinished => (status::OK, Some(UNFINISHED)),
        Finished if flags & (flag::APPEND | flag::READ) != 0 => (status::OP_UNSUPPORTED, as_before),
        Finished => (status::OK, as_before),
    }
}

fn name(standing: Standing, flags: u32) -> String {
    format!("{standing:?}-{flags}")
}

/// Makes unfinished uploads as they come to be: by connections that break off.
async fn break_off(tenant: &Tenant, names: &[String]) {
    for names in names.chunks(TRANSFERS as usize) {
        let ssh = tenant.ssh().await;
        let mut sftp = ssh.sftp().await;
        for name in names {
            let handle = sftp.open(format!("/Incoming/{name}"), flag::WRITE | flag::CREATE).await.handle();
            sftp.write(&handle, 0, UNFINISHED).await.done();
        }
        ssh.break_off().await;
        let ssh = tenant.ssh().await;
        let mut sftp = ssh.sftp().await;
        for name in names {
            wait::until("the upload to be put aside", async || {
                let answer = sftp.stat(format!("/Incoming/{name}")).await;
                matches!(answer, Answer::Attributes(attributes) if attributes.size == Some(10)).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_flags_and_what_stands_there() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "flags").await;
    let (reading, all) = (0..64_u32).partition::<Vec<_>, _>(|flags| flags & flag::WRITE == 0);
    // Of those that read, one of each kind that a client sends.
    let flags: Vec<u32> = all.into_iter().chain(reading).collect();
    for flags in &flags {
        let key = format!("Incoming/{}", name(Standing::Finished, *flags));
        tenant.aws.put(&tenant.bucket, &key, FINISHED).await;
    }
    let unfinished: Vec<String> = flags.iter().map(|flags| name(Standing::Unfinished, *flags)).collect();
    break_off(&tenant, &unfinished).await;

    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let mut wrong = Vec::new();
    for standing in [Standing::Nothing, Standing::Finished, Standing::Unfinished] {
        for flags in &flags {
            let name = name(standing, *flags);
            let (code, stands) = expected(*flags, standing);
            let answer = sftp.open(format!("/Incoming/{name}"), *flags).await;
            let got = if let Answer::Handle(handle) = &answer {
                sftp.close(handle).await.done();
                status::OK
            } else {
                answer.refused()
            };
            let stored = tenant.aws.get(&tenant.bucket, &format!("Incoming/{name}")).await;
            if got != code || stored.as_deref() != stands {
                wrong.push(format!("{name}: {got} instead of {code}, {stored:?} instead of {stands:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..u32::try_from(bytes).unwrap()).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

async fn open_new(sftp: &mut Sftp, name: &str) -> Bytes {
    sftp.open(format!("/Incoming/{name}"), flag::WRITE | flag::CREATE | flag::TRUNCATE).await.handle()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_find_their_place() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "writes").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let stored = async |name: &str| tenant.aws.get(&tenant.bucket, &format!("Incoming/{name}")).await;

    // From behind, as no client does, and in the order of several writes under way.
    let bytes = pattern(2_000_003);
    let pieces: Vec<(usize, &[u8])> =
        bytes.chunks(PIECE).enumerate().map(|(n, piece)| (n * PIECE, piece)).collect();
    let mut swapped = pieces.clone();
    swapped.chunks_mut(8).for_each(<[_]>::reverse);
    for (name, order) in [("behind", pieces.iter().rev().copied().collect::<Vec<_>>()), ("swapped", swapped)]
    {
        let handle = open_new(&mut sftp, name).await;
        for (offset, piece) in order {
            sftp.write(&handle, offset as u64, piece).await.done();
        }
        sftp.close(&handle).await.done();
        assert!(stored(name).await.as_deref() == Some(&bytes[..]), "{name}: other bytes");
    }

    // The same piece twice, one over the end of another, and the beginning last.
    let handle = open_new(&mut sftp, "again").await;
    for (offset, piece) in
        [(0, "HEADER"), (6, "abc"), (6, "abc"), (12, "ghi"), (12, "ghi"), (8, "cdef"), (0, "header")]
    {
        sftp.write(&handle, offset, piece.as_bytes()).await.done();
    }
    sftp.close(&handle).await.done();
    assert_eq!(stored("again").await.as_deref(), Some(b"headerabcdefghi".as_slice()));

    // A gap at the end: what comes before it is kept, and can be gone on with.
    let handle = open_new(&mut sftp, "gap").await;
    sftp.write(&handle, 0, b"0123456789").await.done();
    sftp.write(&handle, 20, b"klmnopqrst").await.done();
    assert_eq!(sftp.close(&handle).await.refused(), status::FAILURE);
    assert_eq!(stored("gap").await, None);
    assert_eq!(sftp.stat("/Incoming/gap").await.attributes().size, Some(10));
    let handle = sftp.open("/Incoming/gap", flag::WRITE).await.handle();
    sftp.write(&handle, 10, b"abcdefghij").await.done();
    sftp.close(&handle).await.done();
    assert_eq!(stored("gap").await.as_deref(), Some(b"0123456789abcdefghij".as_slice()));

    // More pieces ahead than are kept in memory.
    let handle = open_new(&mut sftp, "ahead").await;
    let mut refused = None;
    for number in 1..400_u64 {
        let answer = sftp.write(&handle, number * PIECE as u64, &vec![7; PIECE]).await;
        if answer.code() != Some(status::OK) {
            refused = Some((number, answer.refused()));
            break;
        }
    }
    assert!(matches!(refused, Some((200..300, status::FAILURE))), "{refused:?}");
    assert_eq!(sftp.write(&handle, 0, b"x").await.refused(), status::FAILURE);
    assert_eq!(sftp.close(&handle).await.refused(), status::FAILURE);
    assert_eq!(stored("ahead").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_stays_as_it_is() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "inplace").await;
    let ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    tenant.put("finished", FINISHED).await;
    let path = "/Incoming/finished";
    let stands = async || tenant.aws.get(&tenant.bucket, "Incoming/finished").await.unwrap();

    for flags in
        [flag::WRITE | flag::APPEND, flag::WRITE | flag::READ, flag::WRITE | flag::CREATE | flag::APPEND]
    {
        assert_eq!(sftp.open(path, flags).await.refused(), status::OP_UNSUPPORTED);
    }
    for offset in [1, 5, FINISHED.len() as u64, 1 << 33] {
        let handle = sftp.open(path, flag::WRITE).await.handle();
        assert_eq!(sftp.write(&handle, offset, b"x").await.refused(), status::OP_UNSUPPORTED, "{offset}");
        assert_eq!(sftp.close(&handle).await.refused(), status::OP_UNSUPPORTED);
    }
    // A part of it, from its start: it is not cut without a word.
    let handle = sftp.open(path, flag::WRITE).await.handle();
    sftp.write(&handle, 0, b"a").await.done();
    assert_eq!(sftp.close(&handle).await.refused(), status::OP_UNSUPPORTED);
    let cut = fields().string(path).size(3);
    assert_eq!(sftp.ask(kind::SETSTAT, cut).await.refused(), status::OP_UNSUPPORTED);
    assert_eq!(stands().await, FINISHED);
    // Cut while it is written over, as scp does.
    let handle = sftp.open(path, flag::WRITE | flag::CREATE).await.handle();
    sftp.write(&handle, 0, b"short").await.done();
    sftp.ask(kind::FSETSTAT, fields().string(&handle).size(5)).await.done();
    assert_eq!(stands().await, FINISHED, "it changes before it is closed");
    sftp.close(&handle).await.done();
    assert_eq!(stands().await, b"short");
    // Given up at the open, and nothing written: an empty file is one.
    let handle = sftp.open(path, flag::WRITE | flag::TRUNCATE).await.handle();
    sftp.close(&handle).await.done();
    assert_eq!(stands().await, b"");
    for folder in ["Finished", "Invalids", "Exports"] {
        let made = sftp.open(format!("/{folder}/new"), flag::WRITE | flag::CREATE).await;
        assert_eq!(made.refused(), status::PERMISSION_DENIED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_begin_anywhere() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "reads").await;
    let bytes = pattern(3_000_017);
    tenant.aws.put(&tenant.bucket, "Exports/big", bytes.as_slice()).await;
    let ssh: Ssh = tenant.ssh().await;
    let mut sftp = ssh.sftp().await;
    let handle = sftp.open("/Exports/big", flag::READ).await.handle();
    let end = bytes.len();
    let mut places: Vec<(usize, usize)> =
        vec![(0, 1), (end - 1, 100), (5, 200_000), (end - 300_000, 300_000), (1, PIECE)];
    places.extend((0..40).map(|n| (n * 1_234_567 % end, 1 + n * 7919 % (4 * PIECE))));
    for (offset, length) in places {
        let data = sftp.read(&handle, offset as u64, u32::try_from(length).unwrap()).await.data();
        let most = length.min(end - offset);
        assert!(!data.is_empty() && data.len() <= most, "{offset} {length}: {}", data.len());
        assert!(data == bytes[offset..offset + data.len()], "{offset} {length}: other bytes");
    }
    // Many under way at once, from the end to the start, and their answers in the order in which they were asked.
    let mut asked = Vec::new();
    for number in (0..end / PIECE).rev() {
        let request =
            fields().string(&handle).long((number * PIECE) as u64).number(u32::try_from(PIECE).unwrap());
        asked.push((sftp.send(kind::READ, request).await, number * PIECE));
    }
    for (id, offset) in asked {
        let (answered, answer) = sftp.receive().await;
        assert_eq!(answered, id);
        assert!(answer.data() == bytes[offset..offset + PIECE], "{offset}: other bytes");
    }
    sftp.close(&handle).await.done();
}
