//! What the credentials of one tenant's session allow: a pure function of the tenant.

use contract::TenantId;
use serde_json::{Value, json};

/// Whose data a session may touch.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The tenant; its id is the prefix in the spool.
    pub tenant: TenantId,
    /// The tenant's own bucket.
    pub bucket: &'a str,
    /// The spool bucket of all tenants.
    pub spool_bucket: &'a str,
    /// The partition of ARNs, nearly always `aws`.
    pub partition: &'a str,
}

/// The session policy's JSON (IAM policy language 2012-10-17; at most 2,048 characters). The session can do what both this document and
/// the role allow: files of the tenant's bucket and spool objects of the tenant's prefix, no bucket settings, no other bucket.
pub fn policy(scope: &Scope<'_>) -> String {
    let Scope { tenant, bucket, spool_bucket, partition } = scope;
    let arn = |resource: &str| format!("arn:{partition}:s3:::{resource}");
    let allow = |actions: &[&str], resource: String| json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    let mut list_spool = allow(&["s3:ListBucket"], arn(spool_bucket));
    list_spool["Condition"] = json!({ "StringLike": { "s3:prefix": format!("{tenant}/*") } });
    let statements: [Value; 4] = [
        allow(&["s3:ListBucket", "s3:ListBucketMultipartUploads"], arn(bucket)),
        allow(
            &[
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            arn(&format!("{bucket}/*")),
        ),
        list_spool,
        allow(
            &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            arn(&format!("{spool_bucket}/{tenant}/*")),
        ),
    ];
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// Whether a name can stand in a policy as itself: S3's own rule for names, which has no wildcard and no variable in it.
pub(crate) fn bucket_name_is_plain(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        tenant: TenantId(7),
        bucket: "broadcast-acme",
        spool_bucket: "broadcast-spool",
        partition: "aws",
    };

    #[test]
    fn the_document_is_this_one() {
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                    "Resource": "arn:aws:s3:::broadcast-acme"
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                    "Resource": "arn:aws:s3:::broadcast-acme/*"
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": "arn:aws:s3:::broadcast-spool",
                    "Condition": { "StringLike": { "s3:prefix": "7/*" } }
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    "Resource": "arn:aws:s3:::broadcast-spool/7/*"
                }
            ]
        });
        assert_eq!(serde_json::from_str::<Value>(&policy(&SCOPE)).unwrap(), expected);
    }

    #[test]
    fn the_document_fits_into_a_session_whatever_the_names() {
        let long = "b".repeat(63);
        let scope =
            Scope { tenant: TenantId(i64::MAX), bucket: &long, spool_bucket: &long, partition: "aws-us-gov" };
        assert!(policy(&scope).len() <= 2048);
    }

    #[test]
    fn a_bucket_name_has_no_wildcard() {
        assert!(bucket_name_is_plain("broadcast-acme"));
        for name in ["", "*", "broadcast-*", "a?c", "${aws:username}", "UPPER", "a/b"] {
            assert!(!bucket_name_is_plain(name), "{name}");
        }
    }
}
