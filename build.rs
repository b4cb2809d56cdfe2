//! How the program is linked.

#[expect(clippy::disallowed_methods, reason = "what cargo tells a build script is no part of a machine that is examined")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // At a fixed place in memory nothing in it has to be moved at its start, and it is started for each probe of a driver and for each
    // launch. For the released program, the code is made for that, too (release/build).
    if ["OS", "ENV"].map(|name| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default()) == ["linux", "gnu"] {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
