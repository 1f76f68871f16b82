"""The volumes of pods as folders of this machine, made as kubelet makes them."""

import base64
import os
import shutil
import time
import uuid


class Missing(Exception):
    """Something that the pod mounts is not there yet; kubelet waits for it, too."""


def objects(api, namespace, volume):
    """The ConfigMap or Secret behind a volume, as {file: bytes}."""
    source = volume.get("configMap") or volume.get("secret")
    kind, name = ("configmaps", source.get("name")) if "configMap" in volume else ("secrets", source["secretName"])
    found = api.find(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
    if found is None:
        if source.get("optional"):
            return {}
        raise Missing(f"{kind}/{name}")
    data = found.get("data") or {}
    files = {key: value.encode() if kind == "configmaps" else base64.b64decode(value) for key, value in data.items()}
    if "items" in source:
        absent = [item["key"] for item in source["items"] if item["key"] not in files]
        if absent and not source.get("optional"):
            raise Missing(f"{kind}/{name} has no {absent}")
        files = {item["path"]: files[item["key"]] for item in source["items"] if item["key"] in files}
    return files


def project(folder, files, mode, group):
    """Writes the files as kubelet's AtomicWriter does: into a folder named by the time, to which `..data` leads; what the pod
    sees are links through `..data`. All of them change at once, by one rename."""
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.") + uuid.uuid4().hex[:9]
    (folder / stamp).mkdir(mode=0o755)
    for name, content in files.items():
        path = folder / stamp / name
        path.write_bytes(content)
        os.chown(path, 0, group)
        path.chmod(mode | 0o440 if group else mode)
    before = folder / "..data"
    old = folder / os.readlink(before) if before.is_symlink() else None
    (folder / "..data_tmp").symlink_to(stamp)
    os.rename(folder / "..data_tmp", before)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.name not in files:
            link.unlink()
    if old:
        shutil.rmtree(old)


def give_to_group(folder, group, policy):
    """What `fsGroup` does to a volume that can be written: everything in it belongs to the group and can be read and
    written by it. With `OnRootMismatch` only where the volume itself is not so already."""
    root = folder.stat()
    if policy == "OnRootMismatch" and root.st_gid == group and root.st_mode & 0o2770 == 0o2770:
        return
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            os.chown(path, -1, group)
            path.chmod(path.stat().st_mode & 0o7777 | (0o2770 if path.is_dir() else 0o660))


class Volumes:
    """Those of one pod."""

    def __init__(self, api, pod, folder, claims):
        self.api, self.folder, self.claims = api, folder, claims
        self.namespace = pod["metadata"]["namespace"]
        self.all = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        context = pod["spec"].get("securityContext", {})
        self.group = context.get("fsGroup", 0)
        self.policy = context.get("fsGroupChangePolicy", "Always")
        self.projected = {}

    def prepare(self):
        contents = {name: objects(self.api, self.namespace, volume) for name, volume in self.all.items() if self._follows(volume)}
        for name, volume in self.all.items():
            path = self.path(name)
            path.mkdir(parents=True, exist_ok=True)
            if name in contents:
                project(path, contents[name], self._mode(volume), self.group)
            elif self.group:
                give_to_group(path, self.group, self.policy if "persistentVolumeClaim" in volume else "Always")
        self.projected = contents

    def refresh(self):
        """ConfigMaps and Secrets that have changed since."""
        for name, before in self.projected.items():
            try:
                now = objects(self.api, self.namespace, self.all[name])
            except Missing:
                continue  # what was mounted stays
            if now != before:
                project(self.path(name), now, self._mode(self.all[name]), self.group)
                self.projected[name] = now

    def path(self, name):
        claim = self.all[name].get("persistentVolumeClaim")
        return self.claims / f"{self.namespace}_{claim['claimName']}" if claim else self.folder / name

    @staticmethod
    def _follows(volume):
        return "configMap" in volume or "secret" in volume

    @staticmethod
    def _mode(volume):
        return (volume.get("configMap") or volume["secret"]).get("defaultMode", 0o644)
