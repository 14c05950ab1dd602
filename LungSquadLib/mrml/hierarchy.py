"""Results beside their CT in the subject hierarchy, and gone again as one.

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


def file_beside(volume: Any, nodes: Iterable[Any], *, folder: str) -> None:
    """Put nodes into a new folder beside a volume, as results of it."""
    tree = _tree(volume.GetScene())
    own = tree.GetItemByDataNode(volume)
    parent = tree.GetItemParent(own) if own else tree.GetSceneItemID()
    made = _new_folder(tree, parent, tree.GenerateUniqueItemName(folder))
    for node in nodes:
        node.SetNodeReferenceID(RESULT_OF, volume.GetID())
        _file(tree, node, made)


def file_apart(scene: Any, nodes: Iterable[Any], *, folder: str) -> None:
    """Put nodes into a folder at the top of a scene, under no patient."""
    tree = _tree(scene)
    top = tree.GetSceneItemID()
    there = tree.GetItemChildWithName(top, folder)
    ours = there and tree.HasItemAttribute(there, _FOLDER)
    made = there if ours else _new_folder(tree, top, folder)
    for node in nodes:
        _file(tree, node, made)


def _new_folder(tree: Any, parent: int, name: str) -> int:
    made: int = tree.CreateFolderItem(parent, name)
    tree.SetItemAttribute(made, _FOLDER, "true")
    return made


def _file(tree: Any, node: Any, folder: int) -> None:
    item = tree.GetItemByDataNode(node)  # Slicer has made one, slicer-core has not
    if item:
        tree.SetItemParent(item, folder)
    else:
        tree.CreateItem(folder, node)


def results_of(volume: Any) -> list[Any]:
    """All nodes that are results of a volume."""
    return [
        node
        for node in nodes_of(volume.GetScene())
        if node.GetNodeReferenceID(RESULT_OF) == volume.GetID()
    ]


def remove(nodes: Iterable[Any]) -> None:
    """Take nodes out of their scene, with all that was made for them."""
    for node in nodes:
        scene = node.GetScene()
        if scene is None:
            continue
        made = list(_belonging(node))
        tree = _tree(scene)
        item = tree.GetItemByDataNode(node)
        folder = tree.GetItemParent(item) if item else 0
        if item:
            tree.RemoveItem(item, False)  # slicer-core would leave it
        for one in [node, *made]:
            if scene.IsNodePresent(one):
                scene.RemoveNode(one)
        own = folder and tree.HasItemAttribute(folder, _FOLDER)
        if own and not tree.GetNumberOfItemChildren(folder):
            tree.RemoveItem(folder)


@contextmanager
def scene_kept(scene: Any) -> Iterator[None]:
    """Take out of the scene again what comes into it meanwhile."""
    before = {node.GetID() for node in nodes_of(scene)}
    try:
        yield
    finally:
        remove(node for node in nodes_of(scene) if node.GetID() not in before)


def _belonging(node: Any) -> Iterator[Any]:
    """Display and storage nodes: Slicer leaves them behind when their node goes."""
    if node.IsA("vtkMRMLDisplayableNode"):
        yield from filter(None, map(node.GetNthDisplayNode, range(node.GetNumberOfDisplayNodes())))
    if node.IsA("vtkMRMLStorableNode"):
        yield from filter(None, map(node.GetNthStorageNode, range(node.GetNumberOfStorageNodes())))


def nodes_of(scene: Any) -> list[Any]:
    """All nodes of a scene."""
    return [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]


def _tree(scene: Any) -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
