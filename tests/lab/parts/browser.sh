# shellcheck shell=bash
# A browser for the HTML report: Chromium, driven by browser/look.mjs, and axe-core, which finds what keeps people out. xmllint
# holds the JUnit report against its schema, pdftotext reads what is printed, negate stands for a monitor.

AXE_VERSION=4.10.3
BROWSER_ROOT=$LAB_ROOT/browser

step_browser_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local packages=(chromium libxml2-utils poppler-utils fonts-dejavu-core monitoring-plugins-basic)
    # A Node that somebody installed from elsewhere clashes with Debian's.
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${packages[@]}"
}
check_browser_packages() {
    command -v chromium >/dev/null && command -v node >/dev/null && command -v xmllint >/dev/null &&
        command -v pdftotext >/dev/null && [ -x /usr/lib/nagios/plugins/negate ]
}

# The one file that is needed, out of the package; nothing of it is run while it is unpacked.
step_axe() {
    rm -rf "$BROWSER_ROOT"
    install -d -m 755 "$BROWSER_ROOT"
    (cd "$BROWSER_ROOT" && npm pack --silent "axe-core@$AXE_VERSION" >/dev/null)
    tar -xzf "$BROWSER_ROOT/axe-core-$AXE_VERSION.tgz" -C "$BROWSER_ROOT" package/axe.min.js
    mv "$BROWSER_ROOT/package/axe.min.js" "$BROWSER_ROOT/axe.min.js"
    rm -rf "$BROWSER_ROOT/package" "$BROWSER_ROOT/axe-core-$AXE_VERSION.tgz"
    chmod 644 "$BROWSER_ROOT/axe.min.js"
}
check_axe() { grep -q "axe v$AXE_VERSION" "$BROWSER_ROOT/axe.min.js"; }

lab_step browser_packages
lab_step axe "=$AXE_VERSION"
lab_env "LAB_AXE=$BROWSER_ROOT/axe.min.js"
