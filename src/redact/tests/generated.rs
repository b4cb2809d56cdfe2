//! Many made-up machines, each with private values of every kind planted in every source: nothing of it may be told to others,
//! and the verdict must stay what it was.
//!
//! `CASA_DOCTOR_GENERATED=10000` makes as many; `tests/redaction` runs that. A seed that fails is named, and
//! `CASA_DOCTOR_SEED` runs that one alone.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::SystemTime;

use casa_doctor_checks::facts::Facts;
use serde_json::{Value, json};

use super::super::tree::{self, Shape};
use super::super::{Private, Redactor};
use crate::catalog::{Catalog, Selection};
use crate::judge;
use crate::plan;
use crate::recommend::recommend;
use crate::report::human::{self, HumanOptions};
use crate::report::{Document, Examination, FailOn, Source, github, html, json as json_report, junit, markdown, nagios, sarif};

/// A small generator of numbers, the same on every machine (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.roll(list.len())]
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.roll(letters.len())]).collect()
    }

    fn word(&mut self, length: usize) -> String {
        // Words that no text of ours holds, so that finding one again is a leak.
        format!("zq{}", self.text("abdgjkvwxz", length))
    }

    fn hex(&mut self, length: usize) -> String {
        self.text("0123456789abcdef", length)
    }
}

/// The private values of one machine.
struct Planted {
    user: String,
    home: String,
    real_name: [String; 2],
    host: String,
    domain: String,
    hidden: String,
    /// The value of variables that are nobody's business.
    setting: String,
    /// Texts that hold a private value in a form by which it is recognised, and the value.
    others: Vec<(String, String)>,
    /// Whether the user is called like a word that everybody uses.
    common: bool,
}

const COMMON_NAMES: &[&str] = &[
    "x11",
    "image",
    "nvidia",
    "ab",
    "data",
    "user",
    "linux",
    "mesa",
    "error",
    "conf",
    "1000",
    "é",
    "casa",
    "container",
    "local",
    "host",
    "glx",
    "probe",
    "fr",
];

fn plant(dice: &mut Dice) -> Planted {
    let common = dice.roll(10) == 0;
    let user = if common {
        dice.one(COMMON_NAMES).to_owned()
    } else {
        let length = 2 + dice.roll(10);
        dice.word(length)
    };
    let user = if !common && dice.roll(12) == 0 { format!("{user}é") } else { user };
    let above = dice.one(&["/home", "/Users", "/nfs/zqhomes/zqteam", "/home/zqgroup", "/volatile/users"]);
    let home = format!("{above}/{user}");
    let host = dice.word(5) + &dice.text("0123456789", 2);
    let domain = format!("{}.{}", dice.word(4), dice.one(&["example.org", "zqinstitute.fr", "ac.uk", "lan"]));
    let mut others = Vec::new();
    for _ in 0..3 + dice.roll(6) {
        let (text, value) = other(dice, &host, &domain);
        others.push((text, value));
    }
    let real_name = [dice.word(5), dice.word(6) + "ü"];
    let (hidden, setting) = (dice.word(7), dice.word(8));
    Planted { user, home, real_name, host, domain, hidden, setting, others, common }
}

/// A private value of a kind that its shape, or the text around it, tells.
fn other(dice: &mut Dice, host: &str, domain: &str) -> (String, String) {
    let word = dice.word(6);
    let token = dice.text("ABCDEFGHJKabcdefghjk0123456789", 24);
    let plain = |value: String| (value.clone(), value);
    let with = |text: &str, value: String| (text.replace('@', &value), value);
    match dice.roll(30) {
        0 => plain(format!("{word}@{domain}")),
        1 => plain(format!("{word}.{word}@gmail.com")),
        2 => plain(format!("10.{}.{}.{}", dice.roll(255), 1 + dice.roll(254), 1 + dice.roll(254))),
        3 => plain(format!("172.16.{}.{}", 1 + dice.roll(254), 1 + dice.roll(254))),
        4 => plain(format!("fe80::{}:{}:1", dice.hex(3), 1 + dice.roll(9999))),
        5 => plain(format!("52:54:00:{}:{}:{}", dice.hex(2), dice.hex(2), dice.hex(2))),
        6 => plain(format!("{}-{}-{}-{}-{}", dice.hex(8), dice.hex(4), dice.hex(4), dice.hex(4), dice.hex(12))),
        7 => with("Serial Number: @", word.to_uppercase()),
        8 => with("serial=@", format!("S{}", dice.hex(9).to_uppercase())),
        9 => plain(format!("ghp_{token}")),
        10 => plain(format!("glpat-{token}")),
        11 => with("MIT-MAGIC-COOKIE-1  @", dice.hex(32)),
        12 => plain(dice.hex(40)),
        13 => with("ssh-rsa @ x", format!("AAAA{token}{token}")),
        14 => with("Authorization: Bearer @", format!("a1{word}")),
        15 => with("MY_API_TOKEN=@", word),
        16 => with("--docker-password @", word),
        17 => (format!("http://{word}:{token}@proxy.{domain}:3128/"), token),
        18 => with("MY_LICENCE=@", word),
        19 => plain(format!("{}.{domain}", dice.word(5))),
        20 => with("/home/@/data", word),
        21 => with("SMTP_PASS=@", word),
        22 => with("jdbc:sqlserver://db;user=sa;pwd=@;x=1", word),
        23 => with("--env=DB_PWD=@", word),
        24 => (format!("//{word}:{token}@db.{domain}/x"), token),
        25 => with("curl -su me:@ https://x", word),
        26 => with("--passphrase @", word),
        27 => with("docker login -u me -p @ registry", word),
        28 => with("Authorization: Basic @", word),
        _ => plain(format!("{word}@{host}")),
    }
}

impl Planted {
    fn private(&self) -> Private {
        Private {
            names: vec![self.real_name.join(" ")],
            hosts: vec![self.host.clone()],
            homes: vec![self.home.clone()],
            domains: vec![self.domain.clone()],
            ..Private::default()
        }
    }

    /// A text with a private value, in one of the forms in which such texts come.
    fn text(&self, dice: &mut Dice) -> String {
        let (user, home, host, domain) = (&self.user, &self.home, &self.host, &self.domain);
        let name = self.real_name.join(" ");
        match dice.roll(24) {
            0 => format!("cannot open {home}/.Xauthority: Permission denied"),
            1 => home.clone(),
            2 => format!("file://{home}/a%20b"),
            3 => format!("{host}.{domain}: no route"),
            4 => format!("{host}:10.0"),
            5 => format!("{}/unix:0", host.to_uppercase()),
            6 => format!("ssh {host}"),
            7 => format!("volume \"{name}\""),
            8 => format!("/media/x/{}/disk", self.real_name[1]),
            9 => format!("{{\"path\": \"{home}/x\", \"who\": \"{}\"}}", self.real_name[0]),
            10 => format!("\\n{home}\\n"),
            11 => home.replace('/', "%2F"),
            12 => format!("/host{home}/x"),
            13 => format!("cut off at {home}/"),
            14 => format!("hidden {} here", self.hidden),
            15 => format!("x{}y", self.hidden),
            16 => format!("on {}…", &host[..5]),
            17 => format!("at {host}.{}", domain.split('.').next().unwrap()),
            18 if !self.common => format!("owned by {user}"),
            19 if !self.common => format!("{user}_backup"),
            20 if !self.common => format!("\"{user}\""),
            21 if !self.common => format!("(uid 1000, {user})"),
            _ => self.others[dice.roll(self.others.len())].0.clone(),
        }
    }

    /// What must not be found in anything that is shared.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.others.iter().map(|(_, value)| value.clone()).collect();
        secrets.extend([self.host.clone(), self.domain.clone(), self.hidden.clone(), self.setting.clone()]);
        secrets.extend(self.real_name.clone());
        secrets.push(self.home.clone());
        secrets.push(format!("{}…", &self.host[..5]));
        secrets.extend(
            ["zqhomes", "zqteam", "zqgroup"].iter().filter(|part| self.home.contains(**part)).map(|part| (*part).to_owned()),
        );
        if !self.common {
            secrets.push(self.user.clone());
        }
        secrets
    }
}

/// A machine with everything planted.
fn machine(base: &Value, planted: &Planted, dice: &mut Dice) -> Facts {
    let mut value = base["facts"].clone();
    for (pointer, text) in [("/session/home", &planted.home), ("/ssh_setup/home", &planted.home), ("/session/user", &planted.user)]
    {
        let Some(old) = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned) else { continue };
        if old.len() > 3 && pointer.ends_with("home") && old != *text {
            let new = |place: &tree::Place<'_>, seen: &str| {
                (place.key != "x").then(|| seen.replace(&old, text)).filter(|new| new != seen)
            };
            tree::walk(&mut value, Shape::Facts, &mut |place, seen| new(place, seen));
        }
        if let Some(there) = value.pointer_mut(pointer) {
            *there = text.as_str().into();
        }
    }
    let full = dice.roll(2) == 0;
    let host = if full { format!("{}.{}", planted.host, planted.domain) } else { planted.host.clone() };
    for pointer in ["/machine/hostname", "/ssh_setup/hostname"] {
        if let Some(there) = value.pointer_mut(pointer) {
            *there = host.as_str().into();
        }
    }
    sources(&mut value, planted, dice);
    // Any text of the facts may hold anything.
    let mut places = 0;
    tree::walk(&mut value, Shape::Facts, &mut |_, _| {
        places += 1;
        None
    });
    for _ in 0..2 + dice.roll(6) {
        let (chosen, text, instead) = (dice.roll(places.max(1)), planted.text(dice), dice.roll(2) == 0);
        let mut at = 0;
        tree::walk(&mut value, Shape::Facts, &mut |place, seen| {
            at += 1;
            // What identifies an image may look like a number of hardware, and is told.
            (at == chosen && !place.holds_an_image_id()).then(|| if instead { text.clone() } else { format!("{seen} {text}") })
        });
    }
    serde_json::from_value(value).unwrap()
}

/// The sources that private values come from: environment, configuration, agent, drivers, image, mounts.
fn sources(value: &mut Value, planted: &Planted, dice: &mut Dice) {
    let (user, home, host) = (&planted.user, &planted.home, &planted.host);
    let mut add = |pointer: &str, new: Value| {
        let Some(there) = value.pointer_mut(pointer) else { return };
        match (there, new) {
            (Value::Object(map), Value::Object(new)) => map.extend(new),
            (Value::Array(list), new) => list.push(new),
            (there @ Value::Null, new) => *there = new,
            _ => {}
        }
    };
    let setting = planted.setting.as_str();
    let mut text = || planted.text(dice);
    add("/session/graphics_variables", json!({"LIBGL_DRIVERS_PATH": format!("{home}/mesa"), "VK_ICD_FILENAMES": text()}));
    add("/session/leftover_variables", json!("APPTAINERENV_X"));
    let config = json!({
        "env": {"MY_SETTING": setting, "API_TOKEN": setting, "PIN": 4711, "DISPLAY": format!("{host}:0"), "GREETING": text(), "A": format!("{setting}/${{HOME}}/{{name}}")},
        "mounts": {format!("{home}/in"): format!("{home}/out"), "/x": text()},
        "container_options": ["--env", format!("SITE={setting},LANG=C"), format!("--env=OTHER={setting}"), text()],
        "casa_doctor": {"version": 1, "decisions": {host.as_str(): {"local-x": {"opengl": "software", "basis": "predicted"}}}},
        "note": text(), "list": [text(), {"deep": text()}],
    });
    for pointer in ["/environment/found/file/value", "/environment/found/user_file/value", "/environment/found/merged"] {
        add(pointer, config.clone());
    }
    add("/environment/found/file/lines", json!({format!("/mounts/{}", format!("{home}/in").replace('/', "~1")): 7}));
    add(
        "/environment/found/mounts",
        json!({"container": format!("{home}/in"), "host": format!("{home}/out"), "resolved": format!("{home}/out"), "exists": false, "source": "user"}),
    );
    for probe in ["glx", "egl_x11", "egl_device", "egl_surfaceless", "vulkan"] {
        add(&format!("/{probe}/stderr"), json!(text()));
    }
    add("/ssh_agent/key_files", json!(format!("id_{user}")));
    add("/ssh_agent/state/key_types", json!(text()));
    add(
        "/ssh_setup/keychain_files",
        json!({"path": format!("{home}/.keychain/{host}-sh"), "hostname": host, "current": true, "state": {"state": "refused"}}),
    );
    add(
        "/image/metadata",
        json!({"path": format!("{home}/x.sif.json"), "error": text(), "image_id": "3f1c2d4e-1111-4222-8333-444455556666"}),
    );
    add("/image/metadata/compatibility", json!(format!("brainvisa of {user} on {host}")));
    add("/image/candidates", json!(format!("{home}/other.sif")));
    add("/x11/connection/access_list", json!(format!("SI:localuser:{user}")));
    add("/x11/connection/access_list", json!(format!("INET:{host}")));
    add("/x11/attempts", json!({"address": format!("{host}:6000")}));
    add("/machine/unknown", json!({"kernel": text()}));
    add("/engines/user_namespaces_error", json!(text()));
    add("/virtualbox", json!({"machines": [{"name": text(), "uuid": "6f1d4c1e-0a2b-4c3d-8e9f-0123456789ab"}]}));
    add(
        "/xquartz",
        json!({"display_lines": [{"path": format!("{home}/.profile"), "line": 1, "text": format!("export DISPLAY={host}:0")}]}),
    );
    add("/storage/home_path", json!({"path": home, "mode": 448}));
}

/// What must not change.
fn verdict(facts: &Facts) -> String {
    let runs = judge::judge(facts, &Selection::default());
    let mut text = String::new();
    for run in &runs {
        write!(text, "{} {}", run.check.id, run.outcome.word()).unwrap();
        for finding in run.findings() {
            let safeties: Vec<_> = finding.advice.iter().map(|advice| advice.safety).collect();
            write!(text, " {} {:?} {safeties:?} {}", finding.kind.id, finding.severity, finding.edits.len()).unwrap();
        }
        text.push('\n');
    }
    let recommendation = recommend(facts);
    let modes = recommendation.as_ref().map(|found| {
        (found.opengl, found.basis, found.confidence, found.rejected.iter().map(|other| other.opengl).collect::<Vec<_>>())
    });
    writeln!(text, "{modes:?} {}", plan::build(facts, &runs, recommendation.as_ref()).repairs.len()).unwrap();
    text
}

fn document(facts: &Facts) -> Document {
    let runs = judge::judge(facts, &Selection::default());
    let recommendation = recommend(facts);
    let plan = plan::build(facts, &runs, recommendation.as_ref());
    let examination = Examination { source: Source::Live, now: SystemTime::UNIX_EPOCH, facts, runs: &runs };
    let mut document = Document::new(&examination);
    document.plan = plan.document(facts);
    document.recommendation = recommendation;
    document
}

/// Everything that is shared, by name.
fn shared(facts: &Facts, redactor: &Redactor, recording: &Facts) -> Vec<(&'static str, String)> {
    let told = redactor.document(&document(facts)).unwrap();
    let catalog = Catalog::registered();
    let options =
        HumanOptions { color: false, unicode: true, width: 10_000, verbose: true, quiet: false, fail_on: FailOn::default() };
    vec![
        ("recording", serde_json::to_string(recording).unwrap()),
        ("json", json_report::render(&told).unwrap()),
        ("markdown", markdown::render(&told)),
        ("html", html::render(&told).unwrap()),
        ("junit", junit::render(&told, &catalog, FailOn::Info).unwrap()),
        ("sarif", sarif::render(&told, &catalog, None).unwrap()),
        ("github", github::render(&told, None)),
        ("nagios", nagios::render(&told, FailOn::Info)),
        ("human", human::render(&told, &options)),
    ]
}

fn bases() -> Vec<Value> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    #[expect(clippy::disallowed_methods, reason = "a test reads its own data")]
    let mut files: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("facts.json")).collect();
    files.sort();
    #[expect(clippy::disallowed_methods, reason = "a test reads its own data")]
    let read = |file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    files.iter().map(read).collect()
}

/// What is wrong with the machine of a seed: leaks, and a changed verdict.
fn trouble(seed: u64, bases: &[Value]) -> (Vec<String>, Option<String>) {
    let mut dice = Dice(seed.wrapping_mul(0x1234_5678_9abc_def1));
    let planted = plant(&mut dice);
    let base = &bases[dice.roll(bases.len())];
    let facts = machine(base, &planted, &mut dice);
    let redactor = Redactor::new(&facts, &planted.private(), std::slice::from_ref(&planted.hidden));
    let recording = redactor.facts(&facts).unwrap();
    let (before, after) = (verdict(&facts), verdict(&recording));
    let changed = (before != after).then(|| {
        let lines = before.lines().zip(after.lines()).filter(|(one, other)| one != other);
        lines.fold(String::new(), |text, (one, other)| format!("{text}  was {one}\n  is  {other}\n"))
    });
    if number("CASA_DOCTOR_SEED").is_some() {
        for facts in [&facts, &recording] {
            writeln!(std::io::stderr(), "{}", serde_json::to_string_pretty(facts).unwrap()).unwrap();
        }
    }
    let mut leaks = Vec::new();
    for (name, text) in shared(&facts, &redactor, &recording) {
        let lower = text.to_lowercase();
        for secret in planted.secrets() {
            if let Some(at) = lower.find(&secret.to_lowercase()) {
                let around: String = lower[lower.floor_char_boundary(at.saturating_sub(80))..].chars().take(160).collect();
                leaks.push(format!("{name}: {secret} in …{around}…"));
            }
        }
    }
    (leaks, changed)
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its own variables how much to do")]
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn nothing_private_is_told_and_no_verdict_changes() {
    let bases = bases();
    let seeds = match number("CASA_DOCTOR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CASA_DOCTOR_GENERATED").unwrap_or(200),
    };
    let total = seeds.end - seeds.start;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = |thread: usize| {
        let seeds = seeds.clone().filter(move |seed| usize::try_from(*seed).unwrap() % threads == thread);
        seeds
            .map(|seed| (seed, trouble(seed, &bases)))
            .filter(|(_, (leaks, changed))| !leaks.is_empty() || changed.is_some())
            .collect::<Vec<_>>()
    };
    let share = &share;
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let leaks: usize = found.iter().map(|(_, (leaks, _))| leaks.len()).sum();
    let changed = found.iter().filter(|(_, (_, changed))| changed.is_some()).count();
    writeln!(std::io::stderr(), "{total} generated recordings: {leaks} leaks, {changed} changed verdicts").unwrap();
    let first: String = found.iter().take(12).fold(String::new(), |text, (seed, (leaks, changed))| {
        format!("{text}seed {seed}:\n  {}\n{}\n", leaks.join("\n  "), changed.as_deref().unwrap_or_default())
    });
    assert!(found.is_empty(), "{leaks} leaks, {changed} changed verdicts of {total}\n{first}");
}
