//! Migrations are read into the crate: one more file is another crate.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=campaign_migrations");
}
