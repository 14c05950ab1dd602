"""`slicer.parameterNodeWrapper`: typed fields on a scripted module's node, bound to widgets.

Fields are stored as Slicer stores them, and what Slicer refuses is refused with its exceptions.
"""

from __future__ import annotations

import typing
from enum import Enum

import ctk
import qt
import slicer

_PROPERTY = "SlicerParameterName"


class WithinRange:
    """Smallest and largest value that a field takes."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}.")


class Choice:
    """The values that a field takes."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}.")


class Default:
    """A field's value in a new node."""

    def __init__(self, value):
        self.value = value


class _Field:
    """One field, as the class's attribute."""

    def __init__(self, cls, name, hint):
        self.name, self.hint = name, hint
        annotated = typing.get_origin(hint) is typing.Annotated
        self.kind, *notes = typing.get_args(hint) if annotated else (hint,)
        self.rules = [note for note in notes if hasattr(note, "validate")]
        self.is_node = issubclass(self.kind, slicer.vtkMRMLNode)
        defaults = [note.value for note in notes if isinstance(note, Default)]
        self.default = vars(cls).get(name, defaults[0] if defaults else self._empty())

    def _empty(self):
        if self.is_node:
            return None
        return next(iter(self.kind)) if issubclass(self.kind, Enum) else self.kind()

    def __get__(self, owner, _kind=None):
        if owner is None:
            return self
        node = owner.parameterNode
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, Enum) else self.kind(text)

    def __set__(self, owner, value):
        kinds = (int, float) if self.kind is float else self.kind
        if value is None and not self.is_node:
            raise ValueError(f"{self.name} must not be None.")
        if value is not None and not isinstance(value, kinds):
            raise TypeError(f"{self.name} is a {self.kind.__name__}, not {value!r}.")
        for rule in self.rules:
            rule.validate(value)
        with slicer.util.NodeModify(owner):
            self._write(owner.parameterNode, value)

    def _write(self, node, value):
        if self.is_node:
            node.SetParameter(self.name, "")  # tells None from never set
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
        else:
            node.SetParameter(self.name, value.name if isinstance(value, Enum) else str(value))


class _Binding:
    """A field and the widget that shows it."""

    def __init__(self, owner, field, widget):
        self._owner, self._field, self.widget = owner, field, widget
        self._prepare()
        self.show()
        self._signal = self._changed_signal()
        self._signal.connect(self._changed)

    def _rule(self, kind):
        return next((rule for rule in self._field.rules if isinstance(rule, kind)), None)

    def _prepare(self):
        widget, kind, limits = self.widget, self._field.kind, self._rule(WithinRange)
        if type(widget) is slicer.qMRMLNodeComboBox and self._field.is_node:
            widget.nodeTypes = [kind.__name__]
        elif type(widget) is qt.QComboBox and kind is str and self._rule(Choice):
            widget.clear()
            widget.addItems(self._rule(Choice).choices)
        elif (type(widget), kind) == (qt.QSpinBox, int):
            low, high = (limits.minimum, limits.maximum) if limits else (-(2**31), 2**31 - 1)
            widget.setRange(low, high)
        elif type(widget) is ctk.ctkSliderWidget and kind in (int, float) and limits:
            widget.minimum, widget.maximum = limits.minimum, limits.maximum
        elif (type(widget), kind) not in ((qt.QCheckBox, bool), (qt.QLineEdit, str)):
            raise RuntimeError(f"No {type(widget).__name__} can show {self._field.hint}.")

    def _changed_signal(self):
        names = ("currentNodeChanged", "currentIndexChanged", "valueChanged", "stateChanged")
        name = next((name for name in names if hasattr(self.widget, name)), "textChanged")
        return getattr(self.widget, name)

    def read(self):
        widget, kind = self.widget, self._field.kind
        if self._field.is_node:
            return widget.currentNode()
        if type(widget) is qt.QComboBox:
            return widget.currentText
        if type(widget) is qt.QCheckBox:
            return widget.checked
        return widget.text if kind is str else kind(widget.value)

    def show(self):
        widget, value = self.widget, self._field.__get__(self._owner)
        if self._field.is_node:
            widget.setCurrentNode(value)
        elif type(widget) is qt.QComboBox:
            widget.currentText = value
        elif type(widget) is qt.QCheckBox:
            widget.checked = value
        elif self._field.kind is not str:
            widget.value = value
        elif widget.text != value:  # writing moves the cursor
            widget.text = value

    def _changed(self, *_):
        if not self._owner._showing:
            with slicer.util.NodeModify(self._owner):
                self._field.__set__(self._owner, self.read())

    def end(self):
        self._signal.disconnect(self._changed)


class _Wrapper:
    """What every wrapped class can do."""

    def __init__(self, parameterNode, prefix=None):
        assert prefix is None, "The stand-in knows no prefixes."
        self.parameterNode = parameterNode
        self._showing, self._guis = False, {}
        for field in self.allParameters.values():
            if not parameterNode.HasParameter(field.name):
                field.__set__(self, field.default)

    def default(self, name):
        return self._field(name).default

    def dataType(self, name):
        return self._field(name).hint

    def getValue(self, name):
        return self._field(name).__get__(self)

    def setValue(self, name, value):
        self._field(name).__set__(self, value)

    def _field(self, name):
        if name not in self.allParameters:
            raise ValueError(f"There is no parameter {name!r}; there are {[*self.allParameters]}.")
        return self.allParameters[name]

    def connectGui(self, gui):
        widgets = (
            gui.findChildren(qt.QWidget) if isinstance(gui, qt.QWidget) else vars(gui).values()
        )
        named = {widget.property(_PROPERTY): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping):
        fields = {name: self._field(name) for name in mapping}
        bound = [_Binding(self, fields[name], widget) for name, widget in mapping.items()]
        observer = self.AddObserver("ModifiedEvent", lambda *_: self._show())
        tag = len(self._guis)
        self._guis[tag] = (bound, observer)
        return tag

    def disconnectGui(self, tag):
        bound, observer = self._guis.get(tag) or ((), None)
        for binding in bound:
            binding.end()
        if observer is not None:
            self.RemoveObserver(observer)
        self._guis[tag] = None

    def _show(self):
        if self._showing:
            return
        self._showing = True
        try:
            with slicer.util.NodeModify(self):
                for gui in filter(None, self._guis.values()):
                    for binding in gui[0]:
                        binding.show()
        finally:
            self._showing = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying):
        return self.parameterNode.EndModify(was_modifying)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        self.parameterNode.Modified()


def parameterNodeWrapper(cls):
    """Make a class's annotations fields of a parameter node."""
    fields = {
        name: _Field(cls, name, hint)
        for name, hint in typing.get_type_hints(cls, include_extras=True).items()
    }
    for name in fields.keys() & vars(_Wrapper).keys():
        raise ValueError(f"Cannot use reserved name {name!r} in a parameterNodeWrapper")
    wrapper = type(cls.__name__, (_Wrapper, cls), {**fields, "allParameters": fields})
    wrapper.__module__, wrapper.__doc__ = cls.__module__, cls.__doc__
    return wrapper
