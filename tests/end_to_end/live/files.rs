//! Images and disks as they are after an interrupted download, a move or a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{environment, expect, expect_in_log, expect_on_stage, finding, named, said_by, told};
use crate::lab::{Patient, lab};

/// The families that look at the image and its environment.
const ONLY: [&str; 2] = ["--only", "image,config"];

/// An environment whose image is that file.
fn around(patient: &Patient, image: &Path) -> String {
    environment(patient, "LAB_IMAGE", &json!({"image": image}))
}

#[test]
fn images_that_are_none_or_only_a_part_of_one() {
    let patient = Patient::new();
    let start = {
        let mut bytes = vec![0; 3 << 20];
        std::io::Read::read_exact(&mut fs::File::open(lab().image()).unwrap(), &mut bytes).unwrap();
        bytes
    };
    for (content, expected, log) in [
        (&b"<html><body>404 Not Found</body></html>"[..], "image-not-an-image", "ap-image-notimage"),
        (&b""[..], "image-not-an-image", "ap-image-notimage"),
        (&start, "image-truncated", "ap-image-truncated"),
    ] {
        let image = patient.file("image.sif", content);
        let environment = around(&patient, &image);
        let document = expect(&patient, [ONLY[0], ONLY[1], &environment], &[expected]);
        assert_eq!(finding(&document, expected)["severity"], "error");
        let mut apptainer = lab().command("apptainer", patient.home());
        expect_in_log(apptainer.arg("exec").arg(&image).arg("true"), log);
    }
    let image = patient.file("image.sif", &start);
    let environment = around(&patient, &image);
    fs::set_permissions(&image, fs::Permissions::from_mode(0o000)).unwrap();
    expect(&patient, [ONLY[0], ONLY[1], &environment], &["image-unreadable"]);
}

#[test]
fn an_image_that_was_moved_or_is_gone() {
    let patient = Patient::new();
    let gone = around(&patient, Path::new("/nowhere/casa-lab-5.3.1.sif"));
    expect(&patient, [ONLY[0], ONLY[1], &gone], &["image-missing"]);
    // The environment was moved with its image, and the configuration has the old place.
    let beside = Path::new(&gone).join("casa-lab-5.3.1.sif");
    std::os::unix::fs::symlink(lab().image(), &beside).unwrap();
    let document = expect(&patient, [ONLY[0], ONLY[1], &gone], &["image-moved"]);
    assert!(told(&document, "image-moved").contains(beside.to_str().unwrap()));
}

#[test]
fn an_image_in_another_ones_place() {
    let patient = Patient::new();
    let id: Value = serde_json::from_slice(&fs::read(lab().value("LAB_IMAGE_JSON")).unwrap()).unwrap();
    let environment_of = |id: &Value| environment(&patient, "LAB_IMAGE", &json!({"image_id": id}));
    let right = environment_of(&id["image_id"]);
    expect(&patient, [ONLY[0], ONLY[1], &right], &[]);
    let wrong = environment_of(&json!("00000000-0000-4000-8000-000000000000"));
    expect(&patient, [ONLY[0], ONLY[1], &wrong], &["image-id-mismatch"]);
}

/// One byte of the picture data is another one: every header is in order, and only the checksum shows it.
#[test]
fn an_image_with_a_wrong_byte() {
    let patient = Patient::new();
    let image = patient.home().join("image.sif");
    fs::copy(lab().image(), &image).unwrap();
    fs::copy(lab().value("LAB_IMAGE_JSON"), patient.home().join("image.sif.json")).unwrap();
    let environment = around(&patient, &image);
    let args = ["--only", "image", "--checksum", environment.as_str()];
    expect(&patient, args, &[]);
    let file = fs::OpenOptions::new().read(true).write(true).open(&image).unwrap();
    let mut byte = [0];
    let middle = file.metadata().unwrap().len() / 2;
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, middle).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[!byte[0]], middle).unwrap();
    expect(&patient, args, &["image-checksum"]);
    expect(&patient, ["--only", "image", environment.as_str()], &[]);
}

#[test]
fn an_image_without_its_own_software_opengl() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE_NO_MESA", &Value::Null);
    expect(&patient, ["--only", "image-software-gl,image", &environment], &["image-no-software-gl"]);
}

/// The directory in which Docker keeps its images is a filesystem of its own, and full.
#[test]
fn no_room_for_the_images_of_docker() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &json!({"container_type": "docker", "image": "casa-lab:5.3"}));
    let script = "stage_begin; mkdir -p /var/lib/docker; mount -t tmpfs -o size=8m tmpfs /var/lib/docker";
    let document = expect_on_stage(&patient, script, &["--only", "storage", &environment], &["disk-full"]);
    assert!(told(&document, "disk-full").contains("/var/lib/docker"));
}

/// The start script of the lab's image sources the file as those of the real ones do, and its sh is the same dash.
#[test]
fn a_profile_that_stops_every_command() {
    let patient = Patient::new();
    let environment = environment(&patient, "LAB_IMAGE", &Value::Null);
    let home = Path::new(&environment).join("home");
    fs::create_dir_all(&home).unwrap();
    let profile = home.join(".profile");
    let write = |text: &str| {
        fs::write(&profile, text).unwrap();
        lab().give(&home);
    };
    let echo = || said_by(&mut patient.command(["run", &environment, "--opengl", "container", "--no-gui", "--", "echo", "hello"]));
    let only = ["--only", "home-profile", &environment];

    write("PATH=$HOME/bin:$PATH\nif [ -t 0 ]; then\n  exec bash\nfi\n");
    expect(&patient, only, &[]);
    assert!(echo().0.contains("hello"));
    for (text, place, log) in [
        ("A=1\nB=(1 2)\n", ":2: Syntax error", Some("home-profile")),
        ("if true; then\n", "Syntax error", Some("home-profile")),
        ("A=1\nexit 3\n", ":2: exit", None),
    ] {
        write(text);
        let document = expect(&patient, only, &["home-profile-broken"]);
        assert!(told(&document, "home-profile-broken").contains(place), "{document:#}");
        let (said, success) = echo();
        assert!(!success && !said.contains("hello"), "{text:?}: {said}");
        assert!(log.is_none_or(|log| named(&said).iter().any(|id| id == log)), "{said}");
    }
    let advice = finding(&expect(&patient, only, &["home-profile-broken"]), "home-profile-broken")["advice"][0]["command"].clone();
    let cured = lab().command("sh", patient.home()).arg("-c").arg(advice.as_str().unwrap()).status().unwrap();
    assert!(cured.success() && echo().0.contains("hello"));
    expect(&patient, only, &[]);
}
