# SPDX-License-Identifier: Apache-2.0
"""A controller runtime for asyncio: informers, work queues, workers, leases and their metrics.

It knows the API server, and nothing of IPAM or Cluster API.  It imports nothing of ours.  Only
`openid.py` imports `kubernetes`, which costs 0.7 s and 20 MiB: expired tokens of identity providers
need it.

This is a whole controller.  It writes into each ConfigMap how many entries the map has:

    import asyncio

    from kube import workers
    from kube.client import Api, Client
    from kube.connect import connect
    from kube.informer import Informer
    from kube.meta import Key, Object
    from kube.queue import Queue
    from kube.resources import ApiResource
    from kube.structs import prepared
    from kube.tasks import together

    CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps")

    @prepared
    class ConfigMap(Object, frozen=True):
        data: dict[str, str] | None = None

    class Controller:
        def __init__(self, api: Api, namespace: str = "") -> None:
            self.api = api
            self.maps = Informer(api, CONFIG_MAPS, ConfigMap, namespace)
            self.queue: Queue[Key] = Queue("entries", asyncio.get_running_loop().call_later)

        async def run(self) -> None:
            await self.maps.sync()
            for found in self.maps:
                self.queue.add(found.metadata.key)
            with self.maps.event_handler(lambda delta: self.queue.add(delta.object.metadata.key)):
                serve = workers.run(self.queue, self.reconcile, lambda key: key.namespace, 2)
                await together(self.maps.run(), serve)

        async def reconcile(self, key: Key) -> workers.Outcome:
            found = self.maps.get(key)
            if found is not None and not found.metadata.deleting:
                data = found.data or {}
                entries = str(len(data.keys() - {"entries"}))
                if data.get("entries") != entries:
                    await self.maps.patch(self.api, found, {"data": {"entries": entries}})
            return workers.Done()

    async def main() -> None:
        connection = await connect(None, "entries/1.0")
        try:
            await Controller(Client(connection)).run()
        finally:
            await connection.close()

Walk through it from the top:

1. `resources.py` names a resource.  `meta.py` says what is kept of an object: a struct has only the
   fields that somebody reads.  `structs.py` is the base of all structs, `interner.py` keeps equal
   parts once, and `conditions.py` reads and sets conditions.
2. `connect.py` opens a connection, from a kubeconfig or as a pod (docs/design/0008-connections.md
   says why it is ours).  `credentials.py`, `tls.py`, `files.py` and `proxies.py` are its parts.
   `plugin.py`, `auth_provider.py` and `openid.py` get credentials as a kubeconfig says.
3. `client.py` sends one request, and `retry.py` decides which failed ones it sends again.
   `options.py` has the options of lists and watches, `errors.py` all that can go wrong.
4. `informer.py` keeps a local copy of a resource in its `store.py`.  It hands the typed `deltas.py`
   to event handlers and applies the responses to writes, so that a writer reads its own writes.
5. `queue.py` keeps the keys that wait: each once, never with two workers, groups in turn.
   `backoff.py` delays those that failed.
6. `workers.py` calls the reconcile function and acts on its outcome: `Done` or `RequeueAfter`.
7. `events.py` records Events for people, many of a kind as one.
8. `tasks.py` runs jobs side by side; where one fails, all end.

What a controller in production also needs: `lease.py` elects a leader and fences its writes.
`metrics.py` has controller-runtime's metrics, and `liveness.py` finds jobs that hang.  `auth.py`
asks whether a user may do something, and `rbac.py` declares what the controller itself may do.
`discovery.py` says which kinds are served, `definitions.py` in which versions they are stored.
`webhooks.py` says where the API server sends reviews.  `testing/` has an API server in memory.
"""
