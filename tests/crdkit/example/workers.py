# SPDX-License-Identifier: Apache-2.0
"""Pools of workers: the kind of another project, in a group of its own."""

from typing import Annotated, ClassVar

from pydantic import Field

from crdkit.models import markers, meta, model, resources, values

WORKER_POOL = resources.Resource(
    group="batch.example.com",
    kind="WorkerPool",
    plural="workerpools",
    scope="Namespaced",
    versions=("v1",),
    short_names=("wp",),
    categories=("all",),
)


class Topic(model.Model):
    """A topic of a message broker."""

    name: Annotated[str, Field(min_length=1, max_length=249)]
    """The topic's name."""

    partition: Annotated[int, Field(ge=0), markers.Format("int32")] | None = None
    """The only partition to read.  All of them by default."""


class Bucket(model.Model):
    """Files in an object store."""

    url: Annotated[str, Field(max_length=2048), markers.Format("uri")]
    """Where the bucket is."""

    size_limit: values.Quantity | None = None
    """Larger files are skipped, such as those over `100Mi`."""


class Source(model.Model):
    """Where jobs come from: a topic or a bucket."""

    rules: ClassVar = (
        markers.CEL("has(self.topic) != has(self.bucket)", "needs either a topic or a bucket"),
    )

    topic: Topic | None = None
    """Each message is a job."""

    bucket: Bucket | None = None
    """Each file is a job."""


class Limit(model.Model):
    """How many jobs of one class run at a time."""

    job_class: Annotated[str, Field(min_length=1, max_length=63)]
    """The class of the jobs."""

    workers: Annotated[int, Field(ge=0), markers.Format("int32")]
    """Workers that may run such jobs."""


class WorkerPoolSpec(model.Model):
    """What a pool is to do."""

    source: Annotated[Source, markers.IMMUTABLE]
    """Where jobs come from.  Can't be changed later."""

    replicas: Annotated[int, Field(ge=0, le=1000), markers.Format("int32")] = 1
    """How many workers there are to be."""

    limits: (
        Annotated[tuple[Limit, ...], Field(max_length=32), markers.ListType("map", ("jobClass",))]
        | None
    ) = None
    """Limits on classes of jobs, one for each class."""


class WorkerPoolStatus(model.Model):
    """What became of it."""

    replicas: Annotated[int, markers.Format("int32")] = 0
    """How many workers there are."""

    selector: str | None = None
    """Label selector of the workers' pods."""

    conditions: Annotated[tuple[meta.Condition, ...], markers.ListType("map", ("type",))] | None = (
        None
    )
    """Whether the workers get jobs (type Ready)."""


class WorkerPool(model.Object):
    """Workers that take jobs from one source."""

    resource: ClassVar = WORKER_POOL
    version: ClassVar = markers.Version(
        "v1",
        storage=True,
        scale=markers.Scale(label_selector=".status.selector"),
        selectable=(".spec.source.topic.name",),
        columns=(
            markers.Column("Topic", ".spec.source.topic.name"),
            markers.Column("Workers", ".status.replicas", "integer"),
            markers.Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            markers.Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )

    spec: WorkerPoolSpec
    status: WorkerPoolStatus | None = None
