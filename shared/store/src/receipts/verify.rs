//! Whether receipts still say what they said when they were written.

use std::fmt;

use contract::TenantId;

use super::{GENESIS, Head, Receipt};

/// Where a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A receipt of this number is not where it must be.
    Missing(i64),
    /// This receipt does not follow from the one before.
    Unchained(i64),
    /// This receipt's words are not those that were sealed.
    Altered(i64),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(number) => write!(f, "receipt {number} is missing"),
            Self::Unchained(number) => write!(f, "receipt {number} does not follow from the one before it"),
            Self::Altered(number) => write!(f, "receipt {number} was altered"),
        }
    }
}

/// Proves a tenant's receipts one after the other, in the memory of one: however many there are.
///
/// The chain by itself shows that none within it was altered, taken out or put in. Only heads that were kept elsewhere show that the newest
/// ones are still there, and that the chain was not made anew as a whole.
#[derive(Debug)]
pub struct Verifier {
    tenant: TenantId,
    last: Head,
}

impl Verifier {
    /// Before the first receipt.
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant, last: Head { number: 0, digest: GENESIS.to_vec() } }
    }

    /// The number of the last receipt that was proved; 0 before the first.
    pub fn number(&self) -> i64 {
        self.last.number
    }

    /// The last receipt that was proved.
    pub fn head(&self) -> Option<&Head> {
        (self.last.number > 0).then_some(&self.last)
    }

    /// Proves the next receipt.
    pub fn receipt(&mut self, receipt: &Receipt) -> Result<(), Broken> {
        let number = self.last.number + 1;
        if receipt.number != number {
            return Err(Broken::Missing(number));
        }
        if receipt.previous != self.last.digest {
            return Err(Broken::Unchained(number));
        }
        if receipt.digest != receipt.seal(self.tenant) {
            return Err(Broken::Altered(number));
        }
        self.last = Head { number, digest: receipt.digest.clone() };
        Ok(())
    }

    /// Proves that the last receipt is the one that was kept. A head above it means that there are no more receipts; so heads come in their
    /// order, each when its number is reached. One that comes too late can no longer be proved and does not hold.
    pub fn kept(&self, head: &Head) -> Result<(), Broken> {
        if head.number > self.last.number {
            Err(Broken::Missing(self.last.number + 1))
        } else if *head == self.last {
            Ok(())
        } else {
            Err(Broken::Altered(head.number))
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::Anchor;
    use time::macros::datetime;

    use super::*;

    const TENANT: TenantId = TenantId(7);

    fn chain(length: i64) -> Vec<Receipt> {
        let mut chain: Vec<Receipt> = Vec::new();
        for number in 1..=length {
            let previous = chain.last().map_or(GENESIS.to_vec(), |receipt| receipt.digest.clone());
            let mut receipt = Receipt {
                number,
                at: datetime!(2026-11-23 12:00:00.000001 UTC),
                what: "file".into(),
                ids: vec![number, 40],
                count: 2,
                rule: "Incoming 48 hours".into(),
                // Of the second one, and of each that follows: chains have some of before it was told.
                backups_until: (number > 1).then_some(datetime!(2026-11-25 12:00:00.000002 UTC)),
                previous,
                digest: Vec::new(),
            };
            receipt.digest = receipt.seal(TENANT);
            chain.push(receipt);
        }
        chain
    }

    fn head(chain: &[Receipt]) -> Head {
        let last = chain.last().unwrap();
        Head { number: last.number, digest: last.digest.clone() }
    }

    /// As whoever has the receipts and the heads that were kept of them, in their order.
    fn verify(tenant: TenantId, receipts: &[Receipt], kept: &[Head]) -> Result<(), Broken> {
        let mut verifier = Verifier::new(tenant);
        let mut kept = kept.iter().peekable();
        for receipt in receipts {
            verifier.receipt(receipt)?;
            while let Some(head) = kept.next_if(|head| head.number <= verifier.number()) {
                verifier.kept(head)?;
            }
        }
        kept.try_for_each(|head| verifier.kept(head))
    }

    #[test]
    fn a_whole_chain_holds() {
        let chain = chain(4);
        assert_eq!(verify(TENANT, &[], &[]), Ok(()));
        assert_eq!(verify(TENANT, &chain, &[]), Ok(()));
        assert_eq!(verify(TENANT, &chain, &[head(&chain)]), Ok(()));
        // A head that was kept earlier still proves the beginning.
        assert_eq!(verify(TENANT, &chain, &[head(&chain[..2])]), Ok(()));
        assert_eq!(verify(TenantId(8), &chain, &[]), Err(Broken::Altered(1)));
    }

    #[test]
    fn the_canonical_form_never_changes() {
        let canonical = chain(2).iter().map(|receipt| receipt.canonical(TENANT)).collect::<Vec<_>>();
        let canonical = canonical.into_iter().map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            canonical.collect::<Vec<_>>(),
            [
                r#"{"tenant":7,"number":1,"at_unix_microseconds":1795435200000001,"what":"file","ids":[1,40],"count":2,"rule":"Incoming 48 hours"}"#,
                r#"{"tenant":7,"number":2,"at_unix_microseconds":1795435200000001,"what":"file","ids":[2,40],"count":2,"rule":"Incoming 48 hours","backups_until_unix_microseconds":1795608000000002}"#
            ]
        );
    }

    #[test]
    fn every_change_is_found() {
        let good = chain(4);
        let kept = [head(&good)];
        let broken = |change: &dyn Fn(&mut Vec<Receipt>)| {
            let mut chain = good.clone();
            change(&mut chain);
            verify(TENANT, &chain, &kept)
        };
        assert_eq!(broken(&|chain| chain[1].count = 1), Err(Broken::Altered(2)));
        assert_eq!(broken(&|chain| chain[1].rule.push('0')), Err(Broken::Altered(2)));
        assert_eq!(broken(&|chain| chain[3].at += time::Duration::seconds(1)), Err(Broken::Altered(4)));
        assert_eq!(broken(&|chain| chain[2].ids.truncate(1)), Err(Broken::Altered(3)));
        assert_eq!(broken(&|chain| chain[2].backups_until = None), Err(Broken::Altered(3)));
        assert_eq!(broken(&|chain| drop(chain.remove(0))), Err(Broken::Missing(1)));
        assert_eq!(broken(&|chain| drop(chain.remove(2))), Err(Broken::Missing(3)));
        assert_eq!(broken(&|chain| drop(chain.pop())), Err(Broken::Missing(4)));
        assert_eq!(broken(&|chain| chain.swap(1, 2)), Err(Broken::Missing(2)));
        assert_eq!(
            broken(&|chain| {
                chain.swap(1, 2);
                (chain[1].number, chain[2].number) = (2, 3);
            }),
            Err(Broken::Unchained(2))
        );
        assert_eq!(
            broken(&|chain| {
                chain[1].count = 1;
                chain[1].digest = chain[1].seal(TENANT);
            }),
            Err(Broken::Unchained(3))
        );
        // Made anew from the altered receipt on: the head tells.
        assert_eq!(
            broken(&|chain| {
                chain[2].count = 1;
                chain[2].digest = chain[2].seal(TENANT);
                chain[3].previous = chain[2].digest.clone();
                chain[3].digest = chain[3].seal(TENANT);
            }),
            Err(Broken::Altered(4))
        );
    }
    #[test]
    fn every_kept_head_counts() {
        let chain = chain(4);
        let heads = |numbers: &[usize]| numbers.iter().map(|to| head(&chain[..*to])).collect::<Vec<_>>();
        let forged = Head { digest: GENESIS.to_vec(), ..head(&chain[..2]) };
        for (kept, expected) in [
            (heads(&[1, 2, 3, 4]), Ok(())),
            // Written twice, and the same.
            (heads(&[2, 2, 4]), Ok(())),
            (vec![forged.clone(), head(&chain)], Err(Broken::Altered(2))),
            // One of the two is not what was written here.
            (vec![head(&chain[..2]), forged], Err(Broken::Altered(2))),
            // Out of their order nothing is proved.
            (heads(&[4, 3]), Err(Broken::Altered(3))),
            (vec![head(&chain), Head { number: 5, ..head(&chain) }], Err(Broken::Missing(5))),
        ] {
            assert_eq!(verify(TENANT, &chain, &kept), expected, "{kept:?}");
        }
        assert_eq!(verify(TENANT, &[], &heads(&[1])), Err(Broken::Missing(1)));
    }

    #[test]
    fn an_anchor_keeps_a_head() {
        let head = head(&chain(2));
        let anchor = head.anchor(TENANT, datetime!(2026-11-23 12:00 UTC));
        assert_eq!(Head::of(&anchor), Some(head));
        for digest in ["", "00", &anchor.digest.to_uppercase()] {
            assert_eq!(Head::of(&Anchor { digest: digest.to_owned(), ..anchor.clone() }), None, "{digest}");
        }
    }
}
