use std::fs;

use super::*;
use crate::seams::SystemEntropy;

const NOW_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const FILES: [&str; 9] = [
    "ca.key.pem",
    "ca.pem",
    "ca.der",
    "leaf.key.pem",
    "leaf.pem",
    "leaf.der",
    "web.key.pem",
    "web.pem",
    "web.der",
];

fn start(dir: &Path, hosts: &[&str], now_ms: u64) -> Result<Identity, IdentityError> {
    let hosts: Vec<Host> = hosts.iter().map(|host| host.parse().unwrap()).collect();
    Identity::in_vault(Vault::open(dir).unwrap(), &hosts, now_ms, Arc::new(SystemEntropy))
}

fn leaf(identity: &Identity) -> CertificateDer<'static> {
    identity.served().native().cert[0].clone()
}

#[test]
fn a_second_start_is_the_same_server() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), &["chat.example.org"], NOW_MS).unwrap();
    let second = start(dir.path(), &["chat.example.org"], NOW_MS + DAY_MS).unwrap();
    assert_eq!((first.pin(), leaf(&first)), (second.pin(), leaf(&second)));
    assert_eq!(first.authority().as_ref(), fs::read(dir.path().join("ca.der")).unwrap());
    assert!(FILES.iter().all(|name| dir.path().join(name).exists()));
}

#[cfg(unix)]
#[test]
fn keys_are_the_owners_alone_and_an_exposed_one_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    start(dir.path(), &[], NOW_MS).unwrap();
    for name in ["ca.key.pem", "leaf.key.pem", "web.key.pem"] {
        let path = dir.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let text = start(dir.path(), &[], NOW_MS).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("0640"), "{text}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_start_killed_at_any_step_is_completed_by_the_next() {
    let mut steps = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open_killed_after(dir.path(), steps);
        let done = Identity::in_vault(vault, &[], NOW_MS, Arc::new(SystemEntropy)).is_ok();
        let key_before = fs::read(dir.path().join("ca.key.pem")).ok();
        let next = start(dir.path(), &[], NOW_MS + 1000)
            .unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        if let Some(key) = key_before {
            assert_eq!(key, fs::read(dir.path().join("ca.key.pem")).unwrap(), "after {steps} steps");
        }
        let again = start(dir.path(), &[], NOW_MS + 2000).unwrap();
        assert_eq!((next.pin(), leaf(&next)), (again.pin(), leaf(&again)), "after {steps} steps");
        if done {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 54, "six places to die in each of nine files");
}

#[test]
fn a_renewal_killed_at_any_step_keeps_the_pin_and_the_next_start_works() {
    let mut steps = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let first = start(dir.path(), &[], NOW_MS).unwrap();
        let vault = Vault::open_killed_after(dir.path(), steps);
        let later = NOW_MS + 61 * DAY_MS;
        let done = Identity::in_vault(vault, &[], later, Arc::new(SystemEntropy)).is_ok();
        let next =
            start(dir.path(), &[], later).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        assert_eq!(first.pin(), next.pin());
        assert_ne!(leaf(&first), leaf(&next));
        if done {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 36, "six places to die in each of six files");
}

#[test]
fn leaves_are_replaced_a_month_before_they_end_or_when_a_name_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let identity = start(dir.path(), &[], NOW_MS).unwrap();
    let first = leaf(&identity);
    assert_eq!(identity.renew_if_due(NOW_MS + 59 * DAY_MS).unwrap(), Renewal::Kept);
    assert_eq!(leaf(&identity), first);
    assert_eq!(identity.renew_if_due(NOW_MS + 61 * DAY_MS).unwrap(), Renewal::Replaced);
    assert_ne!(leaf(&identity), first);
    let renamed = start(dir.path(), &["chat.example.org"], NOW_MS + 62 * DAY_MS).unwrap();
    assert_ne!(leaf(&renamed), leaf(&identity));
    assert_eq!(renamed.pin(), identity.pin());
}

#[test]
fn an_offline_authority_is_missed_only_when_leaves_are_due() {
    let dir = tempfile::tempdir().unwrap();
    let pin = start(dir.path(), &[], NOW_MS).unwrap().pin();
    fs::remove_file(dir.path().join("ca.key.pem")).unwrap();
    let identity = start(dir.path(), &[], NOW_MS + DAY_MS).unwrap();
    assert_eq!(identity.pin(), pin);
    assert_eq!(identity.renew_if_due(NOW_MS + 80 * DAY_MS).unwrap(), Renewal::KeyOffline);
    assert!(start(dir.path(), &[], NOW_MS + 80 * DAY_MS).is_ok());
    let error = start(dir.path(), &[], NOW_MS + 91 * DAY_MS).unwrap_err();
    assert!(matches!(error, IdentityError::KeyOffline { .. }), "{error}");
}

#[test]
fn a_lost_or_damaged_authority_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    start(dir.path(), &[], NOW_MS).unwrap();
    let (pem, key) = (dir.path().join("ca.pem"), dir.path().join("ca.key.pem"));
    let kept = fs::read(&key).unwrap();
    let vault = Vault::open(dir.path()).unwrap();

    vault.publish_secret("ca.key.pem", b"").unwrap();
    assert!(matches!(start(dir.path(), &[], NOW_MS), Err(IdentityError::Damaged { .. })));
    let other = issue::ed25519_key(&SystemEntropy).unwrap().serialize_pem();
    vault.publish_secret("ca.key.pem", other.as_bytes()).unwrap();
    assert!(matches!(start(dir.path(), &[], NOW_MS), Err(IdentityError::Mismatch { .. })));
    vault.publish_secret("ca.key.pem", &kept).unwrap();
    vault.publish("ca.pem", b"-----BEGIN").unwrap();
    assert!(matches!(start(dir.path(), &[], NOW_MS), Err(IdentityError::Damaged { .. })));
    fs::remove_file(&pem).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(start(dir.path(), &[], NOW_MS), Err(IdentityError::AuthorityLost { .. })));
}

#[test]
fn a_folder_emptied_while_running_stays_empty_and_the_leaves_stay_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let identity = start(dir.path(), &[], NOW_MS).unwrap();
    let before = leaf(&identity);
    for name in FILES {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    assert!(matches!(identity.renew_if_due(NOW_MS + 61 * DAY_MS), Err(IdentityError::Damaged { .. })));
    assert!(FILES.iter().all(|name| !dir.path().join(name).exists()));
    assert_eq!(leaf(&identity), before);
}

#[test]
fn damaged_leaves_are_simply_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), &[], NOW_MS).unwrap();
    let vault = Vault::open(dir.path()).unwrap();
    vault.publish("leaf.pem", b"junk").unwrap();
    vault.publish_secret("web.key.pem", b"junk").unwrap();
    let second = start(dir.path(), &[], NOW_MS).unwrap();
    assert_eq!(first.pin(), second.pin());
    assert_ne!(leaf(&first), leaf(&second));
}

#[test]
fn an_operators_chain_pins_its_last_certificate_and_is_read_again() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = start(dir.path(), &["chat.example.org"], NOW_MS).unwrap();
    let files = TlsFiles { chain: dir.path().join("web.pem"), key: dir.path().join("web.key.pem") };
    let identity = Identity::from_files(files.clone(), &Seams::system()).unwrap();
    assert_eq!(identity.pin(), ours.pin());
    assert_eq!(identity.renew_if_due(NOW_MS).unwrap(), Renewal::Kept);

    start(dir.path(), &["chat.example.org"], NOW_MS + 61 * DAY_MS).unwrap();
    let before = leaf(&identity);
    assert_eq!(identity.renew_if_due(NOW_MS).unwrap(), Renewal::Replaced);
    assert_ne!(leaf(&identity), before);

    start(other.path(), &[], NOW_MS).unwrap();
    for name in ["web.pem", "web.key.pem"] {
        fs::copy(other.path().join(name), dir.path().join(name)).unwrap();
    }
    assert!(matches!(identity.renew_if_due(NOW_MS), Err(IdentityError::PinChanged)));
    fs::copy(dir.path().join("leaf.key.pem"), dir.path().join("web.key.pem")).unwrap();
    assert!(matches!(Identity::from_files(files, &Seams::system()), Err(IdentityError::Operator { .. })));
}

#[test]
fn an_identity_in_memory_repeats_from_its_entropy_and_renews() {
    #[derive(Debug)]
    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }
    let [one, two] = [0, 1].map(|_| Identity::ephemeral(NOW_MS, Arc::new(Fixed)).unwrap());
    assert_eq!((one.pin(), leaf(&one)), (two.pin(), leaf(&two)));
    assert_eq!(one.renew_if_due(NOW_MS).unwrap(), Renewal::Kept);
    assert_eq!(one.renew_if_due(NOW_MS + 61 * DAY_MS).unwrap(), Renewal::Replaced);
    assert_ne!(leaf(&one), leaf(&two));
}
