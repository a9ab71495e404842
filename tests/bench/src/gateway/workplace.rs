//! Keys, secrets, files and tenants that all sides of the comparison use.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use contract::TenantId;
use localstack::Stack;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Result, database::Database, s3::content};

/// Accounts over which many sessions are spread: one may have sixteen transfers at once.
pub const TENANTS: usize = 4;
pub const HOST_KEY_SECRET: &str = "host-key";
pub const MASTER_KEY_SECRET: &str = "master-key";
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Everything is below one temporary folder.
pub struct Workplace {
    folder: TempDir,
    pub database: Database,
}

impl Workplace {
    pub async fn new(stack: &Stack) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::create(stack, "gateway").await?;
        let place = Self { folder, database };
        for part in ["secrets", "objects", "disk/Incoming", "sent", "got"] {
            std::fs::create_dir_all(place.path(part))?;
        }
        for tenant in 0..TENANTS {
            std::fs::create_dir(place.path("objects").join(bucket(tenant)))?;
        }
        for key in ["secrets/host-key", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"])
                .arg(place.path(key))
                .status()
                .await?;
            if !made.success() {
                return Err("ssh-keygen failed".into());
            }
        }
        std::fs::write(place.path("secrets").join(MASTER_KEY_SECRET), MASTER_KEY)?;
        place.make_tenants(stack).await?;
        Ok(place)
    }

    pub fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    async fn make_tenants(&self, stack: &Stack) -> Result<()> {
        let told = Command::new("ssh-keygen").arg("-lf").arg(self.path("client.pub")).output().await?;
        let told = String::from_utf8(told.stdout)?;
        let fingerprint = told.split_whitespace().nth(1).ok_or("ssh-keygen tells no fingerprint")?;
        let public_key = std::fs::read_to_string(self.path("client.pub"))?;
        let owner = self.database.as_owner(stack).await?;
        for tenant in 0..TENANTS {
            let bucket = bucket(tenant);
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO broadcast.tenants (slug, name, bucket) VALUES ($1, $1, $1)
                 ON CONFLICT (slug) DO UPDATE SET name = $1 RETURNING id",
            )
            .bind(&bucket)
            .fetch_one(&owner)
            .await?;
            store::roles::create(&mut *owner.acquire().await?, TenantId(id)).await?;
            sqlx::query(
                "INSERT INTO broadcast.ssh_keys (tenant_id, fingerprint, public_key) VALUES ($1, $2, $3)",
            )
            .bind(id)
            .bind(fingerprint)
            .bind(public_key.trim())
            .execute(&owner)
            .await?;
        }
        owner.close().await;
        Ok(())
    }

    /// Files to send, `f0000` and so on, in a folder of their own.
    pub fn files(&self, count: usize, bytes: u64) -> Result<PathBuf> {
        let folder = self.path(&format!("sent/{count}x{bytes}"));
        if !folder.exists() {
            write_files(&folder, count, bytes)?;
        }
        Ok(folder)
    }

    /// An empty folder for what is fetched.
    pub fn empty(&self, part: &str) -> Result<PathBuf> {
        let path = self.path(part);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// A tenant's name, which is its bucket's and its login's, too.
pub fn bucket(tenant: usize) -> String {
    if tenant == 0 { "bench".to_owned() } else { format!("bench-{tenant}") }
}

pub fn file_name(number: usize) -> String {
    format!("f{number:04}")
}

pub fn write_files(folder: &Path, count: usize, bytes: u64) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for number in 0..count {
        let (mut file, mut offset) = (File::create(folder.join(file_name(number)))?, 0);
        while offset < bytes {
            let chunk = content(offset, bytes - offset);
            file.write_all(&chunk)?;
            offset += chunk.len() as u64;
        }
    }
    Ok(())
}

/// Fast copies of something else would be no achievement.
pub fn check_file(path: &Path, bytes: u64) -> Result<()> {
    let (mut file, mut offset) = (File::open(path)?, 0);
    let mut found = Vec::new();
    while offset < bytes {
        let chunk = content(offset, bytes - offset);
        found.resize(chunk.len(), 0);
        file.read_exact(&mut found)?;
        if found != chunk {
            return Err(format!("a file differs after {offset} bytes").into());
        }
        offset += chunk.len() as u64;
    }
    if file.metadata()?.len() == bytes { Ok(()) } else { Err("a file is too long".into()) }
}
