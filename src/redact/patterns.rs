//! Private values that are known by their shape: addresses, keys, e-mail, names in the places where names stand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex::{Regex, RegexSet};

use super::stand_in::Kind;
use super::tree::Place;
use super::{variables, vocabulary};
use crate::casa_distro::{HIDDEN, assigns_secret};

/// A shape. The group `v` of its expression is the private value, `n` the name of the variable whose value it is.
struct Pattern {
    kind: Kind,
    /// Whether what has this shape is a secret, which enters no fact.
    secret: bool,
    /// What a text must hold, in small letters, for the expression to match: of each list one sign. An expression is compiled
    /// when such a text comes; a healthy machine has none for most of them.
    signs: &'static [&'static [&'static str]],
    expression: &'static str,
    /// Whether a match is what it looks like.
    counts: fn(&Match<'_>) -> bool,
}

/// What an expression matched.
struct Match<'a> {
    value: &'a str,
    name: &'a str,
    place: &'a Place<'a>,
    /// What stands before the value.
    before: &'a str,
    /// What stands behind it.
    rest: &'a str,
}

const fn shape(kind: Kind, expression: &'static str, counts: fn(&Match<'_>) -> bool) -> Pattern {
    Pattern { kind, secret: false, signs: &[], expression, counts }
}

const fn secret(signs: &'static [&'static [&'static str]], expression: &'static str, counts: fn(&Match<'_>) -> bool) -> Pattern {
    Pattern { kind: Kind::Key, secret: true, signs, expression, counts }
}

/// How many values of a text are looked into for another assignment. No text that means anything has more.
const MOST_NESTED: usize = 64;

/// In the names of secrets: those of [`assigns_secret`], and those that stand before a colon.
const NAMES: &[&str] = &["token", "key", "secret", "pass", "pwd", "cookie", "credential", "authori"];
const TITLES: &[&str] = &["pass", "pwd", "token", "secret", "cookie", "api", "authori"];

static PATTERNS: &[Pattern] = &[
    secret(
        &[&["-----begin"]],
        r"(?s)(?P<v>-----BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\z))",
        always,
    ),
    secret(
        &[&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk-", "akia", "hf_", "npm_", "pypi-", "eyj"]],
        // Written out: the letters of every script, counted as often as here, would make the expression ten megabytes large.
        r"\b(?P<v>gh[pousr]_[A-Za-z0-9]{12,}|github_pat_[A-Za-z0-9_]{12,}|glpat-[A-Za-z0-9_-]{12,}|xox[abeprs]-[A-Za-z0-9_-]{10,}|sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{12,}|hf_[A-Za-z0-9]{12,}|npm_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?)",
        always,
    ),
    secret(&[&["//"], &["@"]], r"(?:^|[^/])//(?P<v>[^\s@/]*:[^\s]*)@", always),
    // Whatever it looks like: base64 without a digit, too.
    secret(
        &[&["authori"], &["bearer", "basic", "digest", "negotiate", "token"]],
        r#"(?i)authori[sz]ation\\?["']?\s?[:=]\s*\\?["']?(?:bearer|basic|digest|negotiate|token)\s+(?P<v>[^\s"'`,;]+)"#,
        |found| !is_harmless_value(found.value),
    ),
    secret(&[&["bearer", "basic"]], r"(?i)\b(?:bearer|basic)\s+(?P<v>[A-Za-z0-9._~+/=-]{8,})", |found| {
        found.value.bytes().any(|b| b.is_ascii_digit())
    }),
    secret(&[&["="], NAMES], r#"(?P<n>[A-Za-z_][\w.-]*)\\?["']?\s?[=]\s?\\?(?P<v>"[^"]*"|'[^']*'|[^\s"'`,;&]+)"#, |found| {
        let before = found.before.rfind(found.name).map_or("", |at| &found.before[..at]);
        let is_option_of_an_engine = found.name == "pwd" && before.ends_with("--");
        !is_option_of_an_engine && assigns_secret(before, found.name) && !is_harmless_value(found.value)
    }),
    secret(
        &[&[":"], TITLES],
        r#"(?i)(?P<n>passwords?|passwd|passphrase|[a-z0-9]_(?:pass|pwd)|token|secret|cookie|api[_-]?key|authori[sz]ation)\\?["']?:\s*\\?["']?(?P<v>[^\s"'`,;]{6,})"#,
        |found| found.value.bytes().any(|b| !b.is_ascii_lowercase()) && !is_harmless_value(found.value),
    ),
    secret(&[&["mit-magic-cookie-1"]], r"(?i)MIT-MAGIC-COOKIE-1\W+(?P<v>[0-9a-f]{16,})", always),
    secret(
        &[&["--"], TITLES],
        r#"(?i)(?P<n>--(?:[\w-]*(?:password|passwd|passphrase|token|secret|cookie|api-?key)|(?:[\w-]*-)?pass))[= ]\\?(?P<v>"[^"]*"|'[^']*'|[^\s]+)"#,
        // Apptainer has a switch --passphrase, behind which the next option stands.
        |found| !is_harmless_value(found.value) && (found.name != "--passphrase" || !found.value.starts_with('-')),
    ),
    secret(&[&["curl"]], r#"(?:^|\s)(?:-[A-Za-z]*[uU]|--(?:proxy-)?user)[= ]*\\?["']?(?P<v>[^\s"':]+:[^\s"']+)"#, |found| {
        found.before.contains("curl") && !is_harmless_value(found.value)
    }),
    // Where -p is known to take a password.
    secret(
        &[&["-p"], &["sshpass", "login", "mysql", "mariadb"]],
        r#"\b(?:sshpass\s+-p\s*|(?:docker|podman|buildah|skopeo|apptainer|singularity|helm)\b[^|;&\n]*?\slogin\b[^|;&\n]*?\s-p[= ]?|(?:mysql|mariadb)[\w-]*[^|;&\n]*?\s-p)\\?(?P<v>"[^"]*"|'[^']*'|[^\s"']+)"#,
        |found| !is_harmless_value(found.value),
    ),
    shape(Kind::Key, r"\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[\w-]+|sk-[\w@.-]+)\s+(?P<v>[0-9A-Za-z+/=]{20,})", always),
    shape(Kind::Key, r"\b(?P<v>SHA256:[A-Za-z0-9+/]{20,43}=?)", always),
    shape(Kind::Key, r"(?i)(?:^|[^0-9a-z])(?P<v>(?:[0-9a-f]{2}:){15}[0-9a-f]{2})\b", always),
    shape(Kind::Key, r"(?i)\b(?P<v>[0-9a-f]{32,})\b", always),
    shape(Kind::Key, r"\b(?P<v>[A-Za-z0-9]{24,})\b", |found| is_mixed(found.value)),
    shape(Kind::Uuid, r"(?i)(?P<v>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", |found| {
        found.value.bytes().any(|b| b != b'0' && b != b'-')
    }),
    shape(
        Kind::Mac,
        r"(?i)(?:^|[^0-9a-z:-])(?P<v>[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5})(?:$|[^0-9a-z:-]|[:-]$)",
        |found| found.value.bytes().any(|b| !matches!(b, b'0' | b':' | b'-')),
    ),
    shape(Kind::Ip, r"(?:^|[^0-9A-Za-z.])(?P<v>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", |found| {
        let is_private =
            |ip: Ipv4Addr| !vocabulary::is_public_address(ip.into()) && (ip.is_private() || !found.place.holds_a_version());
        !goes_on(found.rest) && found.value.parse().is_ok_and(is_private)
    }),
    shape(Kind::Ip, r"(?i)(?:^|[^0-9a-z:.])(?P<v>[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d{0,3}(?:\.\d{1,3}){3})?)", |found| {
        let plain = !goes_on(found.rest) && found.value.len() > 4 && found.value.bytes().any(|b| b.is_ascii_digit());
        plain && found.value.parse::<Ipv6Addr>().is_ok_and(|ip| !vocabulary::is_public_address(IpAddr::V6(ip)))
    }),
    shape(Kind::Email, r"(?P<v>[\w.+%-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*)", |found| {
        let (user, machine) = found.value.split_once('@').unwrap_or_default();
        let units = ["service", "socket", "target", "slice", "timer", "mount"];
        let is_unit = units.iter().any(|unit| machine.rsplit('.').next() == Some(unit));
        let is_public = user == "git" && vocabulary::is_public_host(machine) || machine.eq_ignore_ascii_case("localhost");
        let is_version = machine.starts_with(|c: char| c.is_ascii_digit());
        !(is_unit || is_public || is_version)
    }),
    shape(Kind::Email, r"(?P<v>[\w.+%-]+@\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", always),
    shape(
        Kind::Serial,
        r#"(?i)\b(?:serial(?:[ _-]?(?:number|no|nr))?|s/n|service[ _-]?tag|asset[ _-]?tag)\\?["']?\s*(?:[:=#]|is)\s*\\?["']?(?P<v>[A-Za-z0-9_/.-]{4,})"#,
        |found| !vocabulary::is_common(found.value),
    ),
    shape(Kind::User, r#"(?i)(?:/home/|/users/|\\users\\|\\\\users\\\\)(?P<v>[^/\\\s:"'<>,;|()\[\]{}$]+)"#, is_name),
    shape(Kind::User, r"(?i)[/\\]users[/\\]{1,2}(?P<v>[^/\\:<>,;|(){}$\x22]+ [^/\\:<>,;|(){}$\x22]*)[/\\]", is_name),
    shape(Kind::User, r"SI:localuser:(?P<v>[^\s,;\x22']+)", is_name),
    shape(Kind::Host, r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/@]*@)?(?P<v>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*)", is_host),
    // Options of engines; disks of other machines, as automounters, Windows and GNOME name them.
    shape(Kind::Host, r#"--(?:hostname|add-host)[= ]\\?["']?(?P<v>[A-Za-z0-9][\w.-]*)"#, is_host),
    shape(Kind::Host, r"(?:^|[^\w./-])/net/(?P<v>[A-Za-z0-9][\w.-]*)", is_host),
    shape(Kind::Host, r#"(?:^|[\s"'=,;(\[])\\\\(?:\\\\)?(?P<v>[A-Za-z0-9][\w.-]*)\\"#, is_host),
    shape(Kind::Host, r"/gvfs/[a-z-]+:(?:[^\s/]*,)?(?:server|host)=(?P<v>[^\s/,]+)", is_host),
    shape(Kind::User, r"/gvfs/[a-z-]+:(?:[^\s/]*,)?user=(?P<v>[^\s/,]+)", is_name),
    shape(Kind::Host, r"(?:INET6?|NIS|DECnet):(?P<v>[A-Za-z0-9][\w.-]*)", is_host),
    shape(
        Kind::Host,
        r"(?i)\bDISPLAY\\?[\x22']?\s?[=:]\s?\\?[\x22']?(?P<v>[a-z0-9](?:[\w-]*[a-z0-9])?(?:\.[a-z0-9-]+)*)::?\d",
        is_host,
    ),
    shape(
        Kind::Host,
        r"(?i)\b(?P<v>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.(?:com|org|net|edu|gov|mil|int|fr|de|uk|eu|ch|it|es|be|nl|pt|at|dk|fi|no|pl|cz|jp|cn|au|ca|us|br|in|io|info|ar|cl|ee|gr|hk|hr|hu|ie|il|ir|kr|lt|lu|lv|mx|nz|ro|ru|se|sg|si|sk|th|tr|tw|ua|za|local|localdomain|lan|intra|intranet|internal|corp|home|private|test|example|invalid|arpa))\b",
        |found| is_host(found) && !vocabulary::is_common(found.value) && !has_more_labels(found.rest),
    ),
    shape(Kind::Value, r#"\b(?P<n>[A-Z_][A-Z0-9_]+)=\\?(?P<v>"[^"]+"|'[^']+'|[^\s"'`,;&|()]+)"#, |found| {
        !variables::may_be_told(found.name) && !is_harmless_value(found.value)
    }),
];

/// Patterns, compiled.
struct Compiled {
    patterns: Vec<&'static Pattern>,
    set: RegexSet,
    each: Vec<Regex>,
}

impl Compiled {
    fn of(patterns: Vec<&'static Pattern>) -> Self {
        let expressions = patterns.iter().map(|pattern| pattern.expression);
        let each = expressions.clone().map(regex).collect();
        #[expect(clippy::expect_used, reason = "the expressions are those above, and a test compiles them")]
        let set = RegexSet::new(expressions).expect("a constant expression");
        Self { patterns, set, each }
    }
}

static ALL: LazyLock<Compiled> = LazyLock::new(|| Compiled::of(PATTERNS.iter().collect()));
/// Those of secrets alone, each compiled when it is needed: every diagnosis looks for them.
static SECRETS: LazyLock<Vec<(&Pattern, OnceLock<Regex>)>> =
    LazyLock::new(|| PATTERNS.iter().filter(|pattern| pattern.secret).map(|pattern| (pattern, OnceLock::new())).collect());

/// Compiles an expression of this module.
pub(super) fn regex(expression: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the expressions are constants, and a test compiles them")]
    Regex::new(expression).expect("a constant expression")
}

static STAND_IN: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"<(?:user|name|host|domain|dir|email|ip|mac|uuid|serial|key|value|hidden)(?:-\d+)?>(?:\.<domain-\d+>)?")
});

/// Whether a text is a stand-in and nothing else.
pub(super) fn is_stand_in(text: &str) -> bool {
    STAND_IN.find(text).is_some_and(|found| found.range() == (0..text.len()))
}

/// Where stand-ins are in a text.
pub(super) fn stand_ins(text: &str) -> Vec<Range<usize>> {
    if text.contains('<') { STAND_IN.find_iter(text).map(|found| found.range()).collect() } else { Vec::new() }
}

/// A private value in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// Whether it is a secret, whatever it looks like.
    pub(super) secret: bool,
}

/// Every private value that is known by its shape.
pub(super) fn find(text: &str, place: &Place<'_>) -> Vec<Found> {
    search(&ALL, text, place)
}

/// Where the secrets are, sorted.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let small = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (pattern, regex) in SECRETS.iter() {
        if pattern.signs.iter().all(|signs| signs.iter().any(|sign| small.contains(sign))) {
            let regex = regex.get_or_init(|| self::regex(pattern.expression));
            gather(pattern, regex, text, &Place::default(), &mut found);
        }
    }
    let mut ranges: Vec<_> = found.into_iter().map(|found| found.range).collect();
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    ranges
}

fn search(compiled: &Compiled, text: &str, place: &Place<'_>) -> Vec<Found> {
    // Words, such as the hundreds of names of extensions: no shape is without a digit or a sign.
    if text.len() < 24 && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
        return Vec::new();
    }
    let mut all = Vec::new();
    for index in compiled.set.matches(text) {
        gather(compiled.patterns[index], &compiled.each[index], text, place, &mut all);
    }
    all
}

/// Adds what a pattern finds in a text.
fn gather(pattern: &Pattern, regex: &Regex, text: &str, place: &Place<'_>, all: &mut Vec<Found>) {
    let (mut at, mut nested) = (0, 0);
    while let Some(captures) = regex.captures_at(text, at) {
        let (Some(whole), Some(value)) = (captures.get(0), captures.name("v")) else { return };
        let name = captures.name("n").map_or("", |name| name.as_str());
        let counts = (pattern.counts)(&Match {
            value: value.as_str(),
            name,
            place,
            before: &text[..value.start()],
            rest: &text[value.end()..],
        });
        at = whole.end();
        if counts {
            all.push(Found { kind: pattern.kind, range: value.range(), secret: pattern.secret });
        } else if !name.is_empty() && value.as_str().contains('=') && nested < MOST_NESTED {
            // `--env=NAME=value`: the value is an assignment itself.
            at = value.start();
            nested += 1;
        }
    }
}

fn always(_: &Match<'_>) -> bool {
    true
}

/// Whether a value is no secret: a reference, what was hidden already, a stand-in.
fn is_harmless_value(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'']);
    bare.is_empty() || bare.starts_with(['$', '{', '<', '%']) || bare.starts_with(HIDDEN) || bare.starts_with("(hidden")
}

/// Whether letters of both cases and digits are mixed as in nothing that is written by people.
fn is_mixed(text: &str) -> bool {
    let has = |class: fn(&u8) -> bool| text.bytes().filter(class).count();
    let digits = has(u8::is_ascii_digit);
    has(u8::is_ascii_lowercase) > 3 && has(u8::is_ascii_uppercase) > 3 && digits > 2
}

/// Whether a number with dots or colons has a further part.
fn goes_on(rest: &str) -> bool {
    let mut next = rest.chars();
    match next.next() {
        Some('.') => next.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_ascii_alphanumeric(),
        None => false,
    }
}

/// Whether a name with dots has a further part, as in `org.xquartz.X11`.
fn has_more_labels(rest: &str) -> bool {
    let mut next = rest.chars();
    next.next() == Some('.') && next.next().is_some_and(char::is_alphanumeric)
}

fn is_name(found: &Match<'_>) -> bool {
    let name = found.value.trim_end_matches(['.', '…']);
    // The home directory in every container.
    let of_container = found.before.ends_with("/casa/home/");
    !of_container
        && !name.is_empty()
        && !name.starts_with('.')
        && !is_stand_in(name)
        && !matches!(name.to_lowercase().as_str(), "root" | "shared" | "public" | "default" | "." | "..")
}

fn is_host(found: &Match<'_>) -> bool {
    let name = found.value;
    !vocabulary::is_public_host(name) && name.parse::<IpAddr>().is_err() && (name.contains('.') || !vocabulary::is_common(name))
}

#[cfg(test)]
mod tests {

    /// In bytes, compiled.
    const LARGEST: usize = 200 << 10;

    #[test]
    fn no_expression_is_so_large_that_a_name_which_looks_like_a_secret_slows_everything_down() {
        for pattern in PATTERNS {
            let built = regex::RegexBuilder::new(pattern.expression).size_limit(LARGEST).build();
            assert!(built.is_ok(), "{}", pattern.expression);
        }
    }
    use super::*;

    fn found(text: &str) -> Vec<(Kind, &str)> {
        let mut all: Vec<_> = find(text, &Place::default()).into_iter().map(|found| (found.kind, &text[found.range])).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn the_signs_of_a_secret_stand_in_every_text_that_holds_it() {
        for text in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
            "ghp_abcdefghijklmnop1234",
            "gho_abcdefghijklmnop1234",
            "github_pat_abcdefghijklmnop",
            "glpat-abcdefghijklmnop",
            "xoxb-1234567890-abc",
            "sk-abcdefghijklmnop1234",
            "AKIA2ABCDEFGHIJKLMNO",
            "hf_abcdefgh1jklmnop",
            "npm_abcdefghijklmnop1234",
            "pypi-abcdefghijklmnop1234",
            "eyJhbGciOiJI.eyJzdWIi.abc",
            "https://me:p@ss/w@proxy.example.org/",
            "Authorization: Bearer abcdefgh1",
            "authorization: basic abcdefgh1",
            "MY_TOKEN=abc-def",
            "MY_CREDENTIALS = 'abc def'",
            "API_KEY=abc",
            "password: hunter2",
            "passphrase: Hunter22",
            "api-key: 1234567",
            "MIT-MAGIC-COOKIE-1  0123456789abcdef0123456789abcdef",
            "--docker-password abc",
            "--api-key=abc",
            "SMTP_PASS=abc",
            "--env=SMTP_PASS=abc",
            "DB_URL=jdbc:x?password=abc",
            "jdbc:sqlserver://db;user=sa;pwd=abc",
            "Uid=sa;PWD=abc",
            "smtp_pass: Hunter22",
            "//me:abc@db/x",
            "AUTHORIZATION=abc",
            "Authorization: Basic bWU6YWJj",
            "curl -u me:abc https://x",
            "curl -su me:abc https://x",
            "curl --user 'me:abc' https://x",
            "--passphrase abc",
            "--pass 'a b'",
            "docker login -u me -p abc registry",
            "sshpass -p abc ssh x",
            "mysqldump -u me -pabc",
        ] {
            let of_all: Vec<_> =
                find(text, &Place::default()).into_iter().filter(|found| found.secret).map(|found| found.range).collect();
            let mut of_all = of_all;
            of_all.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
            assert!(!of_all.is_empty(), "{text}");
            assert_eq!(secrets(text), of_all, "{text}");
        }
    }

    #[test]
    fn every_shape_is_seen() {
        for (text, kind, value) in [
            ("mail to anna@lab.example.org now", Kind::Email, "anna@lab.example.org"),
            ("at 192.168.7.12:6000", Kind::Ip, "192.168.7.12"),
            ("[fe80::1ff:fe23:4567:890a]:0", Kind::Ip, "fe80::1ff:fe23:4567:890a"),
            ("link 52:54:00:ab:cd:ef up", Kind::Mac, "52:54:00:ab:cd:ef"),
            ("GPU-6f1d4c1e-0a2b-4c3d-8e9f-0123456789ab", Kind::Uuid, "6f1d4c1e-0a2b-4c3d-8e9f-0123456789ab"),
            ("Serial Number: PF1XYZ9", Kind::Serial, "PF1XYZ9"),
            ("token ghp_abcdefghijklmnop1234", Kind::Key, "ghp_abcdefghijklmnop1234"),
            ("https://me:p@ss/w@proxy.example.org/", Kind::Key, "me:p@ss/w"),
            ("MY_TOKEN=abc-def", Kind::Key, "abc-def"),
            ("SMTP_PASS=abc-def", Kind::Key, "abc-def"),
            ("--env=SMTP_PASS=abc-def", Kind::Key, "abc-def"),
            ("DB_URL=jdbc:x?password=hunter2", Kind::Key, "hunter2"),
            ("jdbc:x://db;user=sa;pwd=SEKRET;x=1", Kind::Key, "SEKRET"),
            ("Uid=sa;PWD=SEKRET", Kind::Key, "SEKRET"),
            ("connects to //me:SEKRET@db/x", Kind::Key, "me:SEKRET"),
            ("Authorization: Basic bWU6YWJj", Kind::Key, "bWU6YWJj"),
            ("curl -su me:SEKRET https://x", Kind::Key, "me:SEKRET"),
            ("curl --user me:SEKRET https://x", Kind::Key, "me:SEKRET"),
            ("--passphrase SEKRET", Kind::Key, "SEKRET"),
            ("--password 'a b'", Kind::Key, "'a b'"),
            ("podman login -u me -p SEKRET registry", Kind::Key, "SEKRET"),
            ("sshpass -pSEKRET ssh x", Kind::Key, "SEKRET"),
            ("mysql -u me -pSEKRET db", Kind::Key, "SEKRET"),
            ("password: hunter2", Kind::Key, "hunter2"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH me", Kind::Key, "AAAAC3NzaC1lZDI1NTE5AAAAIH"),
            ("MIT-MAGIC-COOKIE-1  0123456789abcdef0123456789abcdef", Kind::Key, "0123456789abcdef0123456789abcdef"),
            ("/home/bob/data", Kind::User, "bob"),
            ("/Users/bob", Kind::User, "bob"),
            (r"C:\Users\bob\x", Kind::User, "bob"),
            ("SI:localuser:bob", Kind::User, "bob"),
            ("https://server.lab/x", Kind::Host, "server.lab"),
            ("INET:peer", Kind::Host, "peer"),
            ("export DISPLAY=peer:0", Kind::Host, "peer"),
            ("from node7.institute.fr.", Kind::Host, "node7.institute.fr"),
            ("MY_LICENCE=1234@x", Kind::Value, "1234@x"),
            ("/afs/pdc.kth.se/home", Kind::Host, "pdc.kth.se"),
            ("--hostname=peer", Kind::Host, "peer"),
            ("podman run --hostname 'peer'", Kind::Host, "peer"),
            ("--add-host=peer:10.0.0.1", Kind::Host, "peer"),
            ("/net/peer/data/x.sif", Kind::Host, "peer"),
            (r"at \\peer\data", Kind::Host, "peer"),
            (r#""\\\\peer\\data""#, Kind::Host, "peer"),
            ("/run/user/1000/gvfs/smb-share:domain=x,server=peer,share=d,user=bob/y", Kind::Host, "peer"),
            ("/run/user/1000/gvfs/smb-share:server=peer,share=d,user=bob/y", Kind::User, "bob"),
        ] {
            assert!(found(text).contains(&(kind, value)), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn what_is_everybodys_is_left() {
        for text in [
            "localhost:10.0",
            "127.0.0.1:6000",
            "[::1]:0",
            "https://brainvisa.info/web",
            "Mesa 22.3.6, LLVM 15.0.6",
            "libGLX_nvidia.so.535.183.01",
            "GLX_EXT_create_context_es2_profile",
            "0000:01:00.0",
            "std::string a::b",
            "12:34:56",
            "DISPLAY=:0",
            "LIBGL_ALWAYS_SOFTWARE=1",
            "org.freedesktop.DBus",
            "settings.org.xquartz.X11",
            "/home/<user>/x",
            "/casa/home/.ssh",
            "/home/.cache",
            "sha of nothing",
            "key: missing",
            "--env=TOKEN=$MY_TOKEN",
            "git@github.com",
            "user@1000.service",
            "PWD=/data",
            "--pwd=/data",
            "--passphrase --nv",
            "docker run -u 1000:1000 -p 80:80",
            "ssh -p 22 x",
            "/data//x:/y",
            "--docker-username me",
            "1 pass: done",
            "/sys/class/net/eth0",
            "/proc/net/tcp",
            r"D:\\projekt\\x",
            r"\\wsl.localhost\Ubuntu",
            r"\\wsl$\Ubuntu",
            r"\\VBOXSVR\data",
            "--hostname=localhost",
            "container_options: --hostname is set",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
