# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam reserve` and `release` on a real API server, and what `export` writes then."""

import json

import pytest
from plugin_runs import READ, golden, owner, run, user

from envtest import waiting
from envtest.controlplane import tenants


@pytest.fixture
def blue(tenant: tenants.Tenant) -> tenants.Tenant:
    tenant.add_pool("blue", "10.77.0.0/28", gateway="10.77.0.1")
    tenant.counts("blue", total=14)
    return tenant


def test_an_address_is_reserved_and_released(blue: tenants.Tenant) -> None:
    writer = user(blue, *READ, "create", "delete")

    reserved = run(writer, "reserve", "blue", "10.77.0.7", "--name", "printer")
    address = blue.address("printer")["spec"]["address"]
    asked = run(writer, "release", "printer", text="n\n")
    released = run(writer, "release", "printer", "--yes")

    assert reserved.stdout == "address 10.77.0.7 is reserved by IPAddressClaim printer\n"
    assert address == "10.77.0.7"
    assert (asked.exit_code, asked.stdout.splitlines()[0]) == (
        1,
        "Release 10.77.0.7 of IPAddressClaim printer? [y/N]: n",
    )
    assert released.stdout == "IPAddressClaim printer is deleted; 10.77.0.7 is released\n"
    waiting.until("gone", lambda: blue.claims.find("printer"), lambda claim: claim is None)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.77.0.1", "is gateway in"),
        ("10.77.0.0", "is reserved in"),
        ("10.88.0.1", "is not in"),
        ("10.77.0.2", "is in use by"),
    ],
)
def test_an_address_that_cannot_be_had_makes_no_claim(
    blue: tenants.Tenant, address: str, reason: str
) -> None:
    blue.add_claim("web", "blue")
    blue.bound("web")

    result = run(user(blue, *READ, "create"), "reserve", "blue", address, "--name", "printer")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"address {address} {reason} ")
    assert blue.claims.find("printer") is None


def test_a_claim_with_an_owner_is_not_released(blue: tenants.Tenant) -> None:
    blue.add_claim("web", "blue")
    blue.bound("web")
    pool = blue.pools().get("blue")
    blue.claims.edit("web", lambda claim: claim["metadata"].update(ownerReferences=[owner(pool)]))

    result = run(user(blue, *READ, "delete"), "release", "web", "--yes")

    assert result.exit_code == 3
    assert result.stderr == (
        "IPAddressClaim web (10.77.0.2) is owned by InClusterIPPool blue: delete that instead\n"
    )


@pytest.mark.parametrize(
    ("arguments", "verb"),
    [
        (["reserve", "blue", "10.77.0.7", "--name", "printer"], "create"),
        (["release", "web", "--yes"], "delete"),
    ],
)
def test_a_user_who_may_only_read_sees_the_missing_verb(
    blue: tenants.Tenant, arguments: list[str], verb: str
) -> None:
    blue.add_claim("web", "blue")
    blue.bound("web")

    result = run(user(blue, *READ), *arguments)

    assert result.exit_code == 3
    assert f'cannot {verb} resource "ipaddressclaims"' in result.stderr
    assert len(result.stderr.splitlines()) == 1


HOSTS = "10.77.0.2\tweb\n10.77.0.3\tdb\n"
CSV = (
    "address,host,state,pool kind,pool,namespace,claim,cluster,since\n"
    "10.77.0.2,web,used,InClusterIPPool,NS/blue,NS,web,,TIME\n"
    "10.77.0.3,db,used,InClusterIPPool,NS/blue,NS,db,,TIME\n"
)


def test_export(blue: tenants.Tenant) -> None:
    for name in ("web", "db"):
        blue.add_claim(name, "blue")
        blue.bound(name)
    reader = user(blue, *READ)

    written = {
        form: run(reader, "export", "--pool", "blue", "--format", form)
        for form in ("csv", "hosts", "prometheus-sd", "ansible", "json")
    }

    assert golden(written["csv"], blue.namespace) == CSV.splitlines()
    assert written["hosts"].stdout == HOSTS
    targets = json.loads(written["prometheus-sd"].stdout)
    assert [each["targets"] for each in targets] == [["10.77.0.2"], ["10.77.0.3"]]
    assert targets[0]["labels"] == {
        "host": "web",
        "pool": "blue",
        "namespace": blue.namespace,
        "cluster": "",
    }
    assert json.loads(written["ansible"].stdout) == {
        "_meta": {
            "hostvars": {
                "web": {"ansible_host": "10.77.0.2"},
                "db": {"ansible_host": "10.77.0.3"},
            }
        },
        "ungrouped": {"hosts": ["db", "web"]},
    }
    rows = json.loads(written["json"].stdout)["addresses"]
    assert [(row["address"], row["host"]) for row in rows] == [
        ("10.77.0.2", "web"),
        ("10.77.0.3", "db"),
    ]
