//! No path leads out of the four folders.
#![no_main]

use contract::Folder;
use fuzz::path::{Place, canonical, resolve};
use libfuzzer_sys::fuzz_target;

/// S3's.
const KEY_BYTES_MAX: usize = 1024;

fuzz_target!(|path: &str| {
    let (place, one) = match (resolve(path), canonical(path)) {
        (Ok(place), Ok(one)) => (place, one),
        // There is a form of some paths that lead nowhere.
        (Err(_), _) => return,
        (Ok(_), Err(_)) => panic!("a place without a path"),
    };
    assert!(one.starts_with('/'));
    assert_eq!(canonical(&one).as_deref(), Ok(one.as_str()), "the one form has another");
    assert!(resolve(&one) == Ok(place.clone()), "the one form leads elsewhere");
    if let Place::Below(folder, name) = place {
        let key = folder.key(&name);
        assert!(key.len() <= KEY_BYTES_MAX);
        assert_eq!(Folder::split(&key), Some((folder, name.as_str())));
        assert!(!key.chars().any(char::is_control));
        assert!(key.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
});
