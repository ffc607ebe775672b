#!/usr/bin/env bash
# Moves a StatefulSet's in-tree vSphere volumes to the CSI driver the way a careful person
# scripts it: kubectl, `kubectl wait` after each step, and a vCenter client that makes a VMDK a
# First Class Disk (REGISTER, a command that prints the id). Nothing is prepared beforehand and
# nothing is done side by side.
#
# FORM says how the new volume and claim come: `apart`, each by a command of its own, or
# `together`, both in one file, as the driver's example of static provisioning has them.
#
#   runbook.sh NAMESPACE STATEFULSET CSI_STORAGECLASS FOLDER FORM
set -euo pipefail

namespace=$1 set=$2 class=$3 folder=$4 form=$5
driver=csi.vsphere.vmware.com

k() { kubectl --namespace "$namespace" "$@"; }

backup() {
    mkdir -p "$folder"
    k get statefulset "$set" -o json >"$folder/statefulset.json"
    k get pods,persistentvolumeclaims -o yaml >"$folder/replicas.yaml"
    kubectl get persistentvolumes,storageclasses,volumeattachments -o yaml >"$folder/cluster.yaml"
}

# Highest ordinal first.
pods() {
    local selector
    selector=$(jq -r '.spec.selector.matchLabels | to_entries | map("\(.key)=\(.value)") | join(",")' \
        "$folder/statefulset.json")
    k get pods --selector "$selector" -o name | cut -d/ -f2 | sort --version-sort --reverse
}

detached() {
    local attachment
    kubectl get volumeattachments -o json |
        jq -r --arg volume "$1" \
            '.items[] | select(.spec.source.persistentVolumeName == $volume) | .metadata.name' |
        while read -r attachment; do
            kubectl wait --for=delete "volumeattachment/$attachment" --timeout=10m
        done
}

new_volume() { # OLD_VOLUME.json ID
    jq --arg id "$2" --arg class "$class" --arg driver "$driver" '{
        apiVersion: "v1", kind: "PersistentVolume",
        metadata: {name: (.metadata.name + "-csi")},
        spec: {
            accessModes: .spec.accessModes, capacity: .spec.capacity, volumeMode: .spec.volumeMode,
            persistentVolumeReclaimPolicy: "Retain", storageClassName: $class,
            claimRef: {apiVersion: "v1", kind: "PersistentVolumeClaim",
                namespace: .spec.claimRef.namespace, name: .spec.claimRef.name},
            csi: {driver: $driver, volumeHandle: $id, fsType: .spec.vsphereVolume.fsType}
        }}' "$1"
}

new_claim() { # OLD_CLAIM.json
    jq --arg class "$class" '{
        apiVersion: "v1", kind: "PersistentVolumeClaim",
        metadata: {name: .metadata.name, labels: .metadata.labels},
        spec: {
            accessModes: .spec.accessModes, resources: .spec.resources, volumeMode: .spec.volumeMode,
            storageClassName: $class, volumeName: (.spec.volumeName + "-csi")
        }}' "$1"
}

new_pod() { # OLD_POD.json
    jq '{apiVersion: "v1", kind: "Pod",
        metadata: {name: .metadata.name, labels: .metadata.labels, annotations: .metadata.annotations},
        spec: (.spec | del(.nodeName))}' "$1"
}

new_set() {
    jq --arg class "$class" '{apiVersion, kind,
        metadata: {name: .metadata.name, namespace: .metadata.namespace,
            labels: .metadata.labels, annotations: .metadata.annotations},
        spec: (.spec | .volumeClaimTemplates[].spec.storageClassName = $class)}' \
        "$folder/statefulset.json"
}

apart() { # OLD_VOLUME ID CLAIM
    new_volume "$folder/$1.json" "$2" | kubectl create -f -
    new_claim "$folder/$3.json" | k create -f -
}

together() { # OLD_VOLUME ID CLAIM
    {
        new_volume "$folder/$1.json" "$2"
        new_claim "$folder/$3.json"
    } >"$folder/$1-csi.json"
    k create -f "$folder/$1-csi.json"
}

convert() { # CLAIM
    local claim=$1 volume id path
    volume=$(jq -r .spec.volumeName "$folder/$claim.json")
    path=$(jq -r .spec.vsphereVolume.volumePath "$folder/$volume.json")
    id=$($REGISTER "$path")
    k delete persistentvolumeclaim "$claim"
    kubectl delete persistentvolume "$volume"
    kubectl wait --for=delete "cnsvspherevolumemigration/$id" --timeout=5m
    "$form" "$volume" "$id" "$claim"
    k wait --for=jsonpath='{.status.phase}'=Bound "persistentvolumeclaim/$claim" --timeout=10m
}

swap() { # POD
    local pod=$1 claim claims volume volumes
    k get pod "$pod" -o json >"$folder/$pod.json"
    claims=$(jq -r '.spec.volumes[].persistentVolumeClaim.claimName // empty' "$folder/$pod.json")
    volumes=()
    for claim in $claims; do
        k get persistentvolumeclaim "$claim" -o json >"$folder/$claim.json"
        volume=$(jq -r .spec.volumeName "$folder/$claim.json")
        kubectl patch persistentvolume "$volume" \
            --patch '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
        kubectl get persistentvolume "$volume" -o json >"$folder/$volume.json"
        volumes+=("$volume")
    done
    k delete pod "$pod"
    for volume in "${volumes[@]}"; do detached "$volume"; done
    for claim in $claims; do convert "$claim"; done
    new_pod "$folder/$pod.json" | k create -f -
    k wait --for=condition=Ready "pod/$pod" --timeout=15m
}

backup
replicas=$(pods)
k delete statefulset "$set" --cascade=orphan
for pod in $replicas; do swap "$pod"; done
new_set | k create -f -
k rollout status "statefulset/$set" --timeout=15m
