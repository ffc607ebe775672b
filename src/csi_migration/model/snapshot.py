"""Everything that preflight and the plan look at, read once, before anything changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from csi_migration.model.disk import Disk, DiskFile
from csi_migration.model.objects import Raw
from csi_migration.model.plan import Window


@dataclass(frozen=True, slots=True)
class Request:
    """What the person asked for.

    `accepted` are the ids of `--accept`; `max_unavailable` is how many replicas are
    swapped at once.
    """

    namespace: str
    statefulset: str
    intree_class: str
    csi_class: str
    window: Window = Window.REPLICA
    accepted: frozenset[str] = frozenset()
    max_unavailable: int = 1

    @property
    def subject(self) -> str:
        """What a finding about the set itself is about."""
        return f"statefulset/{self.statefulset}"


@dataclass(frozen=True, slots=True)
class DiskAttachment:
    """A VM's virtual disk on a VMDK, as the VM's hardware lists it.

    `vm_id` is the VM's managed object id (`vm-42`): names are unique in a folder only.
    `parent` is the base disk when the VM writes to a snapshot's delta; `flat`
    tells that it is a plain VMDK, no raw device and nothing exotic.
    """

    vm: str
    sharing: str = ""
    parent: str = ""
    disk_mode: str = ""
    flat: bool = True
    encrypted: bool = False
    vm_id: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A node's VM.

    `id` is its managed object id (`vm-42`), `hardware` its virtual hardware's version
    (`vmx-19`); `has_disk_uuid` tells whether its guest sees the disks' uuids (disk.EnableUUID),
    `tracks_changes` whether changed-block tracking is on, `has_snapshot` whether the VM has one.
    """

    name: str
    hardware: str = ""
    has_disk_uuid: bool = True
    id: str = ""
    tracks_changes: bool = False
    has_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class DatastoreLook:
    """A datastore as it is now.

    Attributes:
        name: its name in vCenter.
        is_accessible: whether vCenter reaches it.
        maintenance: `normal`, `enteringMaintenance` or `inMaintenance`.
        pod: the datastore cluster that it is in, if any can be seen.
        is_pod_seen: False if it is in one that can't be seen.
        is_automated: whether Storage DRS moves disks of that cluster by itself.
    """

    name: str
    is_accessible: bool = True
    maintenance: str = "normal"
    pod: str = ""
    is_pod_seen: bool = True
    is_automated: bool = False


@dataclass(frozen=True, slots=True)
class DiskLook:
    """What vCenter says about the VMDK of one claim; `problem` when it can't say.

    `recorded_id` is the FCD id that the driver's CnsVSphereVolumeMigration names, `moved_to`
    where that disk lies if not under the volume's path.
    """

    file: DiskFile | None = None
    disk: Disk | None = None
    recorded_id: str = ""
    attachments: tuple[DiskAttachment, ...] = ()
    problem: str = ""
    moved_to: str = ""


@dataclass(frozen=True, slots=True)
class DirectoryLook:
    """The working directory to be; `problem` is why no migration can begin in it, `resolution`
    what to do about that.
    """

    path: str
    problem: str = ""
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The server's answer to an object to come, which it did not keep."""

    subject: str
    accepted: bool
    message: str = ""
    returned: Raw | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The StatefulSet and all around it.

    Attributes:
        request: what the person asked for.
        server_version: the API server's gitVersion.
        statefulset: the set.
        revisions: its ControllerRevisions, by name.
        pods: the replicas' pods, by ordinal; a missing one is not there.
        claims: the replicas' claims, by name; a missing one is not there.
        volumes: all PersistentVolumes of the cluster, by name.
        classes: the StorageClasses asked for, by name.
        namespace_pods: all pods of the namespace.
        budgets: PodDisruptionBudgets of the namespace.
        autoscalers: HorizontalPodAutoscalers of the namespace; None when they
            could not be looked at.
        attachments: all VolumeAttachments of the replicas' volumes.
        all_attachments: all VolumeAttachments of the cluster.
        csi_nodes: CSINode by node name.
        namespace: the set's Namespace object.
        controllers: what adopts pods by a selector in the namespace, by `kind/name`.
        unseen_controllers: the kinds of these that could not be looked at
            (`jobs.batch`).
        namespace_claims: all claims of the namespace, by name.
        quotas: ResourceQuotas of the namespace; None when they could not be looked at.
        volume_snapshots: VolumeSnapshots of the namespace; None as above.
        nodes: all nodes by name; None as above.
        csi_drivers: CSIDriver objects by name; None as above.
        driver_features: ConfigMaps with the CSI driver's feature states, by namespace; those
            that can be read, None when they may not be in any.
        webhooks: MutatingWebhookConfigurations and ValidatingWebhookConfigurations, by
            `kind/name`; None as above.
        machines: the nodes' VMs, by node name; a missing one was not found.
        unfinished: what tells of a migration of this set that has not ended, in words.
        vcenter_version: vCenter's API version; empty when not asked.
        disks: by claim name.
        datastores: those that the disks lie on, by managed object id.
        unreadable_machines: VMs that may hold any disk, for vCenter can't tell.
        directory: the working directory; None when none was given.
        dry_runs: the server's answers to the objects to come.
        denied: Kubernetes permissions that the tool needs and does not have.
        missing_privileges: vCenter privileges that it needs and does not have.
        vcenters: how many vCenters the driver's configuration names.
        unverified: that vCenter's certificate is not verified, in words.
        unverified_servers: URLs of the API servers whose certificates are not verified.
    """

    request: Request
    server_version: str
    statefulset: Raw
    revisions: dict[str, Raw]
    pods: dict[int, Raw]
    claims: dict[str, Raw]
    volumes: dict[str, Raw]
    classes: dict[str, Raw]
    namespace_pods: tuple[Raw, ...] = ()
    budgets: tuple[Raw, ...] = ()
    autoscalers: tuple[Raw, ...] | None = None
    namespace: Raw | None = None
    controllers: dict[str, Raw] = field(default_factory=dict)
    unseen_controllers: tuple[str, ...] = ()
    namespace_claims: dict[str, Raw] = field(default_factory=dict)
    quotas: tuple[Raw, ...] | None = None
    volume_snapshots: tuple[Raw, ...] | None = None
    nodes: dict[str, Raw] | None = None
    csi_drivers: dict[str, Raw] | None = None
    driver_features: dict[str, Raw] | None = field(default_factory=dict)
    webhooks: dict[str, Raw] | None = None
    machines: dict[str, Machine] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()
    vcenter_version: str = ""
    attachments: tuple[Raw, ...] = ()
    all_attachments: tuple[Raw, ...] = ()
    csi_nodes: dict[str, Raw] = field(default_factory=dict)
    disks: dict[str, DiskLook] = field(default_factory=dict)
    datastores: dict[str, DatastoreLook] = field(default_factory=dict)
    unreadable_machines: tuple[str, ...] = ()
    directory: DirectoryLook | None = None
    dry_runs: tuple[DryRun, ...] = ()
    denied: tuple[str, ...] = ()
    missing_privileges: tuple[str, ...] = ()
    vcenters: int = 1
    unverified: tuple[str, ...] = ()
    unverified_servers: tuple[str, ...] = ()
