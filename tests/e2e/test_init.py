# SPDX-License-Identifier: Apache-2.0
"""`clusterctl init --ipam in-cluster`, and what then works."""

from envtest.lab.lab import Lab


def test_init(lab: Lab) -> None:
    with lab.step("start a control plane"):
        cluster = lab.cluster(1)
        cluster.__enter__()
    try:
        clusterctl = lab.clusterctl()
        with lab.step("clusterctl init"):
            done = clusterctl(
                "init", f"--kubeconfig={cluster.kubeconfig}", "--core=cluster-api:v1.13.6",
                "--bootstrap=-", "--control-plane=-", "--ipam=in-cluster:v2.1.0", "--wait-providers",
            )
        print(done.output)
        print(cluster.admin.resource("apps/v1", "deployments").list())
    finally:
        import subprocess
        print(subprocess.run("tail -n 15 /mnt/cluster-1/*.log /mnt/cluster-1/pods/*.log", shell=True, capture_output=True, text=True).stdout[-6000:])
        cluster.stop()
