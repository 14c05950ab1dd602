"""Results beside their CT in the subject hierarchy, and their removal.

Each result refers to its volume by a node reference, which is saved with the scene: results of a
scene that was loaded can be removed as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .scene import slicer

RESULT_OF = "LungSquad.resultOf"
_FOLDER = "LungSquad.results"
_RESULT = "LungSquad.ofVolume"


def file_beside(volume: Any, nodes: Iterable[Any], *, folder: str) -> None:
    """Put nodes into a new folder beside a volume, as results of it."""
    tree = _tree(volume.GetScene())
    item = tree.GetItemByDataNode(volume)
    parent = tree.GetItemParent(item) if item else tree.GetSceneItemID()
    new = _new_folder(tree, parent, tree.GenerateUniqueItemName(folder))
    for node in nodes:
        node.SetNodeReferenceID(RESULT_OF, volume.GetID())
        node.SetAttribute(_RESULT, "true")  # the reference goes with the volume
        _file(tree, node, new)


def file_apart(scene: Any, nodes: Iterable[Any], *, folder: str) -> None:
    """Put nodes into a folder at the top of a scene, under no patient."""
    tree = _tree(scene)
    top = tree.GetSceneItemID()
    item = tree.GetItemChildWithName(top, folder)
    if not (item and tree.HasItemAttribute(item, _FOLDER)):
        item = _new_folder(tree, top, folder)
    for node in nodes:
        _file(tree, node, item)


def _new_folder(tree: Any, parent: int, name: str) -> int:
    item: int = tree.CreateFolderItem(parent, name)
    tree.SetItemAttribute(item, _FOLDER, "true")
    return item


def _file(tree: Any, node: Any, folder: int) -> None:
    item = tree.GetItemByDataNode(node)  # Slicer has made one, slicer-core has not
    if item:
        tree.SetItemParent(item, folder)
    else:
        tree.CreateItem(folder, node)


def results_of(volume: Any) -> list[Any]:
    """Return all nodes that are results of a volume."""
    return [
        node
        for node in nodes_of(volume.GetScene())
        if node.GetNodeReferenceID(RESULT_OF) == volume.GetID()
    ]


def results_without_volume(scene: Any) -> list[Any]:
    """Return the nodes that are results of a volume which was removed from the scene."""
    return [
        node
        for node in nodes_of(scene)
        if node.GetAttribute(_RESULT) and node.GetNodeReference(RESULT_OF) is None
    ]


def remove(nodes: Iterable[Any]) -> None:
    """Remove nodes from their scene, with their display and storage nodes and empty folders."""
    for node in nodes:
        scene = node.GetScene()
        if scene is None:
            continue
        dependents = list(_display_and_storage(node))
        tree = _tree(scene)
        item = tree.GetItemByDataNode(node)
        folder = tree.GetItemParent(item) if item else 0
        if item:
            tree.RemoveItem(item, False)  # slicer-core would leave it
        for each in [node, *dependents]:
            if scene.IsNodePresent(each):
                scene.RemoveNode(each)
        created = folder and tree.HasItemAttribute(folder, _FOLDER)
        if created and not tree.GetNumberOfItemChildren(folder):
            tree.RemoveItem(folder)


@contextmanager
def scene_kept(scene: Any) -> Iterator[None]:
    """Remove the nodes that are added to the scene meanwhile."""
    before = {node.GetID() for node in nodes_of(scene)}
    try:
        yield
    finally:
        remove(node for node in nodes_of(scene) if node.GetID() not in before)


def _display_and_storage(node: Any) -> Iterator[Any]:
    """Yield a node's display and storage nodes, which Slicer leaves behind when it is removed."""
    if node.IsA("vtkMRMLDisplayableNode"):
        yield from filter(None, map(node.GetNthDisplayNode, range(node.GetNumberOfDisplayNodes())))
    if node.IsA("vtkMRMLStorableNode"):
        yield from filter(None, map(node.GetNthStorageNode, range(node.GetNumberOfStorageNodes())))


def nodes_of(scene: Any) -> list[Any]:
    """Return all nodes of a scene."""
    return [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]


def _tree(scene: Any) -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
