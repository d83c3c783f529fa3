"""Contexts that stand for themselves: leases, acceptances, quarantines and pins."""

from __future__ import annotations

from typing import Any

from zencache.digest import fingerprint
from zencache.entity import Acceptance, Lease, Pin, Quarantine
from zencache.metadata import schema
from zencache.metadata.codec.signature import get_signature, put_signature
from zencache.metadata.codec.text import get_json, get_text, json_text, parse_time, put_text, time_of

_HELD, _RELEASED = "held", "released"  # in the name of a lease


def put_lease(proto: Any, lease: Lease) -> Any:
    """Fill the context of a generation. Its name is its holder's own, so that uniqueness lies in its id."""
    state = _RELEASED if lease.is_released else _HELD
    proto.name = f"{lease.cache_key}.{lease.generation}.{state}.{lease.token}"
    proto.external_id = schema.lease_id(lease.cache_key, lease.generation)
    if not lease.is_released:
        holder = {"owner": lease.owner, "run": lease.run, "expiry": lease.expiry}
        put_text(proto.custom_properties, schema.HOLDER, json_text(holder))
    return proto


def get_lease(proto: Any) -> Lease:
    """The lease of a row; one that cannot be read any more expires at once."""
    properties = proto.custom_properties
    cache_key, generation, state, token = (proto.name.split(".") + [""] * 4)[:4]
    holder = get_json(properties, schema.HOLDER)
    expiry = holder.get("expiry")
    return Lease(
        cache_key,
        int(generation) if generation.isdecimal() else 0,
        token,
        owner=str(holder.get("owner", "")),
        run=str(holder.get("run", "")),
        expiry=float(expiry) if isinstance(expiry, int | float) else 0.0,
        beat=properties[schema.BEAT].int_value if schema.BEAT in properties else 0,
        is_released=state == _RELEASED,
        id=proto.id,
    )


def is_lease(proto: Any) -> bool:
    """Whether the row of a lease says what zencache writes: a name that fits its id, and who holds it."""
    lease = get_lease(proto)
    state = _RELEASED if lease.is_released else _HELD
    return bool(
        proto.name == f"{lease.cache_key}.{lease.generation}.{state}.{lease.token}"
        and proto.external_id == schema.lease_id(lease.cache_key, lease.generation)
        and lease.token
        and (lease.is_released or (lease.owner and lease.expiry > 0))
    )


def put_end(proto: Any, lease: Lease) -> Any:
    """Only the name, by which a generation says that nobody holds it."""
    proto.name = f"{lease.cache_key}.{lease.generation}.{_RELEASED}.{lease.token}"
    return proto


def _put_said(properties: Any, said: Acceptance | Quarantine | Pin) -> None:
    """Why somebody said something, who it was, and when."""
    put_text(properties, schema.REASON, said.reason)
    put_text(properties, schema.BY, said.by)
    properties[schema.WHEN].string_value = said.when.isoformat()


def _said(proto: Any) -> dict[str, Any]:
    properties = proto.custom_properties
    when = parse_time(get_text(properties, schema.WHEN))
    return {
        "reason": get_text(properties, schema.REASON),
        "by": get_text(properties, schema.BY),
        "when": when or time_of(proto.create_time_since_epoch),
    }


def put_acceptance(proto: Any, acceptance: Acceptance) -> Any:
    proto.name = f"{acceptance.step}:{acceptance.new}"
    properties = proto.custom_properties
    properties[schema.ACCEPTED_STEP].string_value = acceptance.step
    properties[schema.NEW_CODE].string_value = acceptance.new
    properties[schema.OLD_CODE].string_value = acceptance.old
    _put_said(properties, acceptance)
    properties[schema.REVOKED].bool_value = acceptance.is_revoked
    put_signature(properties, acceptance.signature)
    return proto


def get_acceptance(proto: Any) -> Acceptance:
    properties = proto.custom_properties
    return Acceptance(
        step=get_text(properties, schema.ACCEPTED_STEP),
        new=get_text(properties, schema.NEW_CODE),
        old=get_text(properties, schema.OLD_CODE),
        **_said(proto),
        is_revoked=properties[schema.REVOKED].bool_value if schema.REVOKED in properties else False,
        signature=get_signature(properties),
    )


def put_quarantine(proto: Any, quarantine: Quarantine) -> Any:
    proto.name = quarantine.digest
    properties = proto.custom_properties
    properties[schema.DIGEST].string_value = quarantine.digest
    _put_said(properties, quarantine)
    properties[schema.LIFTED].bool_value = quarantine.is_lifted
    return proto


def get_quarantine(proto: Any) -> Quarantine:
    properties = proto.custom_properties
    return Quarantine(
        id=proto.id,
        digest=get_text(properties, schema.DIGEST),
        **_said(proto),
        is_lifted=properties[schema.LIFTED].bool_value if schema.LIFTED in properties else False,
    )


def put_pin(proto: Any, pin: Pin) -> Any:
    proto.name = f"{pin.kind}:{fingerprint(pin.target)}"
    properties = proto.custom_properties
    properties[schema.PINNED_KIND].string_value = pin.kind
    put_text(properties, schema.PINNED_TARGET, pin.target)
    _put_said(properties, pin)
    properties[schema.LIFTED].bool_value = pin.is_lifted
    return proto


def get_pin(proto: Any) -> Pin:
    properties = proto.custom_properties
    return Pin(
        kind=get_text(properties, schema.PINNED_KIND),
        target=get_text(properties, schema.PINNED_TARGET),
        **_said(proto),
        is_lifted=properties[schema.LIFTED].bool_value if schema.LIFTED in properties else False,
    )
