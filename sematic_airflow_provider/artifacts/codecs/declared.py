"""Values of classes that declare what they hold: dataclasses, pydantic models, named tuples; and enums.

Taken apart into fields and put together again from fields, without ``__init__``, ``__post_init__`` or validators: what comes back is what was saved, not what a
constructor makes of it. Only classes that really are of one of these kinds are ever made, whatever stored bytes say.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import Enum, Flag
from functools import cached_property
from inspect import getattr_static
from types import MemberDescriptorType
from typing import Any

from sematic_airflow_provider.artifacts.codecs import type_names
from sematic_airflow_provider.errors import NoCodecError

# What a pydantic model holds beside its fields; no field has such a name.
UNSET, EXTRA, PRIVATE = "$unset", "$extra", "$private"
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement


def type_name(value: Any) -> str:
    """The stored name of the value's class.

    Raises:
        NoCodecError: the name would not lead back to it.
    """
    return type_names.name_of(type(value))


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a value, from which ``rebuild`` makes an equal one; None when its class declares none.

    Raises:
        NoCodecError: the value holds more, or less, than its fields.
    """
    cls = type(value)
    if issubclass(cls, Enum):
        return None
    if _is_named_tuple(cls):
        _check_state(value, cls._fields)
        return dict(zip(cls._fields, value, strict=True))
    if _is_model(cls):
        return _fields_of_model(value)
    if not dataclasses.is_dataclass(cls):
        return None
    if not all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__):
        raise NoCodecError(f"the dataclass {cls.__qualname__} derives from a built-in type, whose part would be lost")
    names = [field.name for field in dataclasses.fields(cls)]
    _check_state(value, names)
    state = _state(value, names)
    if missing := [name for name in names if name not in state]:
        raise NoCodecError(f"{cls.__qualname__} has fields without a value: {', '.join(missing)}")
    return {name: state[name] for name in names}


def rebuild(name: str, fields: Mapping[str, Any]) -> Any:
    """The value of the class of this name that holds these fields.

    Raises:
        ValueError: the name is none, or of a class that declares no fields.
        NoCodecError: the class is not here, or has other fields by now.
    """
    cls: Any = type_names.find(name)
    if issubclass(cls, Enum):
        raise ValueError(f"{name} is an enum, which has no fields")  # noqa: TRY004 - the stored bytes are wrong, not an argument
    if _is_named_tuple(cls):
        _check_fields(name, cls._fields, fields)
        return tuple.__new__(cls, [fields[field] for field in cls._fields])
    if _is_model(cls):
        return _rebuild_model(name, cls, fields)
    if not dataclasses.is_dataclass(cls):
        raise ValueError(f"{name} is neither a dataclass nor a pydantic model nor a named tuple")
    _check_fields(name, [field.name for field in dataclasses.fields(cls)], fields)
    value: Any = object.__new__(cls)  # type: ignore[arg-type]
    for field, content in fields.items():
        if isinstance(getattr_static(cls, field, None), MemberDescriptorType):
            object.__setattr__(value, field, content)
        else:  # not by setattr: a property of this name would run
            value.__dict__[field] = content
    return value


def enum_record(value: Enum) -> dict[str, Any]:
    """What tells a member of an enum: its name, or for flags the names of those set, and what no member stands for.

    Raises:
        NoCodecError: the class would not be found again.
    """
    cls = type(value)
    record: dict[str, Any] = {"class": type_name(value)}
    if not isinstance(value, Flag):
        return record | {"name": value.name}
    bits = value.value
    singles = {
        name: member.value
        for name, member in cls.__members__.items()
        if name == member.name and member.value > 0 and member.value.bit_count() == 1 and bits > 0
    }
    names = sorted(name for name, bit in singles.items() if bit & bits)
    rest = bits & ~sum(singles[name] for name in names)
    return record | {"names": names} | ({"rest": rest} if rest else {})


def enum_member(record: Mapping[str, Any]) -> Enum:
    """The member that a record tells of.

    Raises:
        ValueError: it tells of none.
        NoCodecError: the class is not here, or does not have it any more.
    """
    name = str(record.get("class"))
    cls = type_names.find(name)
    if not issubclass(cls, Enum):
        raise ValueError(f"{name} is no enum")  # noqa: TRY004 - the stored bytes are wrong, not an argument
    members = cls.__members__
    names = record["names"] if issubclass(cls, Flag) else [record["name"]]
    if unknown := [str(member) for member in names if member not in members]:
        raise NoCodecError(
            f"the enum {name} has no member {', '.join(unknown)[:80]}: it has changed since this value was saved"
        )
    if not issubclass(cls, Flag):
        return members[names[0]]
    value = sum(members[member].value for member in names) + int(record.get("rest", 0))
    return cls(value)


def _is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and isinstance(getattr_static(cls, "_field_defaults", None), dict)


def _is_model(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _fields_of_model(model: Any) -> dict[str, Any]:
    cls = type(model)
    names = list(cls.__pydantic_fields__)
    state = model.__dict__
    if missing := [name for name in names if name not in state]:
        raise NoCodecError(f"{cls.__qualname__} has fields without a value: {', '.join(missing)}")
    _check_state(model, names)
    fields = {name: state[name] for name in names}
    if unset := sorted(set(names) - model.__pydantic_fields_set__):
        fields[UNSET] = unset
    if model.__pydantic_extra__:
        fields[EXTRA] = dict(model.__pydantic_extra__)
    if model.__pydantic_private__:
        fields[PRIVATE] = dict(model.__pydantic_private__)
    return fields


def _rebuild_model(name: str, cls: Any, fields: Mapping[str, Any]) -> Any:
    own = {field: content for field, content in fields.items() if field not in (UNSET, EXTRA, PRIVATE)}
    _check_fields(name, list(cls.__pydantic_fields__), own)
    extra, private, unset = fields.get(EXTRA, {}), fields.get(PRIVATE, {}), fields.get(UNSET, [])
    if not isinstance(extra, dict) or not isinstance(private, dict) or not isinstance(unset, list):
        raise ValueError(f"the stored {name} is damaged")  # noqa: TRY004 - the stored bytes are wrong, not an argument
    takes_extra = cls.model_config.get("extra") == "allow"
    if extra and not takes_extra:
        raise NoCodecError(f"{name} takes no extra fields any more; the saved value has {', '.join(extra)[:200]}")
    _check_fields(name, list(cls.__private_attributes__) if private else [], private)
    model = object.__new__(cls)
    object.__setattr__(model, "__dict__", own)
    object.__setattr__(model, "__pydantic_fields_set__", (set(own) | set(extra)) - set(unset))
    object.__setattr__(model, "__pydantic_extra__", extra if takes_extra else None)
    object.__setattr__(model, "__pydantic_private__", private if cls.__private_attributes__ else None)
    return model


def _state(value: Any, names: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """What the instance itself holds, in its dict and its slots."""
    state = dict(getattr(value, "__dict__", {}))
    slots = {slot for base in type(value).__mro__ for slot in vars(base) if _is_slot(base, slot)}
    for slot in slots.union(names):
        if _is_slot(type(value), slot):
            try:
                state[slot] = object.__getattribute__(value, slot)
            except AttributeError:  # never set
                continue
    return state


def _is_slot(cls: type, name: str) -> bool:
    return isinstance(getattr_static(cls, name, None), MemberDescriptorType)


def _check_state(value: Any, names: Any) -> None:
    """See that nothing is left out: caches may be, attributes that somebody has set may not."""
    cls = type(value)
    ignored = {"__orig_class__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"}
    more = [
        name
        for name in _state(value, [])
        if name not in names
        and name not in ignored
        and not isinstance(getattr_static(cls, name, None), cached_property)
    ]
    if more:
        raise NoCodecError(
            f"{cls.__qualname__} holds {', '.join(map(str, more))} beside its fields, which would be lost: declare it as a field (field(init=False))"
        )


def _check_fields(name: str, expected: Any, fields: Mapping[str, Any]) -> None:
    missing, unknown = sorted(set(expected) - set(fields)), sorted(set(fields) - set(expected))
    if missing or unknown:
        parts = [f"new are {', '.join(missing)}"] if missing else []
        parts += [f"gone are {', '.join(unknown)[:200]}"] if unknown else []
        raise NoCodecError(
            f"the fields of {name} have changed since this value was saved: {'; '.join(parts)}. Load it with the code of that time, or make it again"
        )
