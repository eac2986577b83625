"""Previews of models: scikit-learn, XGBoost, LightGBM."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sematic_airflow_provider.artifacts.previews.cells import cell, cut
from sematic_airflow_provider.artifacts.previews.form import Fact, ModelPreview, Part

PARAMS = 100
STEPS = 30
NAMES = 200
IMPORTANCES = 20
_PLAIN = (bool, int, float, str, bytes, type(None))
_STEP_LISTS = ("steps", "transformers_", "transformers", "transformer_list", "estimators")


def preview_of(value: object) -> ModelPreview | None:
    """The preview of a model, None for anything else."""
    for library, make in (("xgboost", _xgboost), ("lightgbm", _lightgbm), ("sklearn", _sklearn)):
        module = sys.modules.get("sklearn.base" if library == "sklearn" else library)
        made = make(module, value) if module is not None else None
        if made is not None:
            return made
    return None


def _sklearn(base: Any, value: Any) -> ModelPreview | None:
    if not isinstance(value, base.BaseEstimator) or isinstance(value, type):
        return None
    return ModelPreview(library=_library(value), **_facts(value, base))


def _facts(value: Any, base: Any) -> dict[str, Any]:
    names = getattr(value, "feature_names_in_", None)
    count = getattr(value, "n_features_in_", None)
    return {
        "params": _params(value),
        "steps": list(islice(_steps(value, base, ""), STEPS)),
        "fitted": _fitted(value),
        "feature_count": int(count) if count is not None else None,
        "feature_names": [cut(str(name), 80) for name in names[:NAMES]] if names is not None else None,
        **_what_matters(value, names),
    }


def _what_matters(value: Any, names: Any) -> dict[str, Any]:
    """Importances of features; of a pipeline, those that its last step gives to what the steps before it make of them."""
    steps = getattr(value, "steps", None)
    if type(value).__name__ == "Pipeline" and isinstance(steps, list) and steps:
        value, names = steps[-1][1], _names_of_what_comes_out(value[:-1]) if len(steps) > 1 else names
    found = getattr(value, "feature_importances_", None)
    if found is not None:
        return _importances(names, found, "")
    coefficients: Any = vars(value).get("coef_") if hasattr(value, "__dict__") else None
    shape = tuple(getattr(coefficients, "shape", ()))
    if len(shape) == 1 or (len(shape) == 2 and shape[0] == 1):  # one row for each class says nothing of the whole
        return _importances(names, coefficients.reshape(-1), "coefficient")
    return {}


def _names_of_what_comes_out(steps: Any) -> Any:
    try:
        return steps.get_feature_names_out()
    except Exception:  # noqa: BLE001 - steps that do not know, or are not fitted, say so in many ways
        return None


def _params(value: Any) -> list[Fact]:
    """As they were given; steps are told elsewhere."""
    found = value.get_params(deep=False) if hasattr(value, "get_params") else {}
    return [Fact(name=name, value=_brief(found[name])) for name in sorted(found)[:PARAMS] if name not in _STEP_LISTS]


def _steps(value: Any, base: Any, prefix: str) -> Iterator[Part]:
    for attribute in _STEP_LISTS:
        members = getattr(value, attribute, None)
        if not isinstance(members, list) or not all(
            isinstance(member, tuple) and len(member) >= 2 for member in members
        ):
            continue
        for name, step, *_ in members:
            whole = f"{prefix}{name}"
            yield Part(
                name=cut(whole), type=_type(step), params=_params(step) if isinstance(step, base.BaseEstimator) else []
            )
            yield from _steps(step, base, f"{whole}.")
        return


def _fitted(value: Any) -> list[Fact]:
    """What fitting has learned: attributes that end with an underscore, as scikit-learn has it."""
    names = sorted(name for name in vars(value) if name.endswith("_") and not name.startswith("_"))
    return [
        Fact(name=name, value=_brief(vars(value)[name]))
        for name in names[:PARAMS]
        if name not in ("feature_names_in_", "n_features_in_", *_STEP_LISTS)
    ]


def _brief(value: Any) -> Any:
    """A value in a line: large ones by type and shape."""
    if inspect.isroutine(value) or isinstance(value, type) or type(value).__name__ == "ufunc":
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
        return f"{getattr(value, '__module__', None) or type(value).__module__}.{name}"
    if hasattr(value, "shape") and hasattr(value, "dtype") and value.shape:
        small = getattr(value, "size", 99) <= 10 and hasattr(value, "tolist")
        return (
            f"{cut(str(value.tolist()))} {value.dtype}"
            if small
            else f"{type(value).__name__} {tuple(value.shape)} {value.dtype}"
        )
    if isinstance(value, (list, tuple)) and (
        len(value) > 10 or any(not isinstance(member, _PLAIN) for member in value)
    ):
        kinds = sorted({type(member).__name__ for member in value})
        return f"{type(value).__name__} of {len(value)} {', '.join(kinds[:3])}"
    if hasattr(value, "get_params"):
        return _type(value)
    if isinstance(value, (*_PLAIN, list, tuple, dict)) or type(value).__module__ == "numpy":
        return cell(value)
    return _type(value)


def _type(value: Any) -> str:
    return value if isinstance(value, str) else f"{type(value).__module__}.{type(value).__qualname__}"


def _library(value: Any) -> str:
    """Its name and version."""
    name = type(value).__module__.partition(".")[0]
    version = getattr(sys.modules.get(name), "__version__", "")
    return f"{name} {version}".strip()


def _importances(names: Any, values: Any, kind: str) -> dict[str, Any]:
    if not len(values):
        return {}
    known = (
        [str(name) for name in names]
        if names is not None and len(names) == len(values)
        else [f"feature {n}" for n in range(len(values))]
    )
    ranked = sorted(zip(known, values, strict=True), key=lambda pair: (-abs(float(pair[1])), pair[0]))[:IMPORTANCES]
    return {
        "importances": [Fact(name=cut(name, 80), value=cell(value)) for name, value in ranked],
        "importance_type": kind,
    }


def _xgboost(xgboost: Any, value: Any) -> ModelPreview | None:
    if isinstance(value, xgboost.Booster):
        booster, params = value, _attributes(value.attributes())
    elif isinstance(value, xgboost.XGBModel):
        params = [fact for fact in _params(value) if fact.value is not None]  # what was not given
        if not value.__sklearn_is_fitted__():
            return ModelPreview(library=_library(value), params=params, steps=[], fitted=[])
        booster = value.get_booster()
    else:
        return None
    kind = "gain" if _trees_of(booster) is not None else "weight"
    scores: Mapping[str, Any] = booster.get_score(importance_type=kind)
    names = booster.feature_names
    return ModelPreview(
        library=_library(value),
        params=params,
        steps=[],
        fitted=[],
        feature_count=int(booster.num_features()),
        feature_names=[cut(str(name), 80) for name in names[:NAMES]] if names else None,
        trees=_trees_of(booster),
        **_importances(list(scores), list(scores.values()), kind),
    )


def _trees_of(booster: Any) -> int | None:
    """How many trees; None of a booster that is not made of trees."""
    gradient_booster = json.loads(booster.save_config())["learner"]["gradient_booster"]
    model = gradient_booster.get("gbtree", gradient_booster).get("gbtree_model_param")
    return None if model is None else int(model["num_trees"])


def _lightgbm(lightgbm: Any, value: Any) -> ModelPreview | None:
    if isinstance(value, lightgbm.Booster):
        booster, params = value, _attributes(value.params)
    elif isinstance(value, lightgbm.LGBMModel):
        params = _params(value)
        if not value.__sklearn_is_fitted__():
            return ModelPreview(library=_library(value), params=params, steps=[], fitted=[])
        booster = value.booster_
    else:
        return None
    names = booster.feature_name()
    return ModelPreview(
        library=_library(value),
        params=params,
        steps=[],
        fitted=[],
        feature_count=booster.num_feature(),
        feature_names=[cut(name, 80) for name in names[:NAMES]],
        trees=booster.num_trees(),
        **_importances(names, booster.feature_importance("gain"), "gain"),
    )


def _attributes(found: Mapping[str, Any]) -> list[Fact]:
    return [Fact(name=cut(str(name), 80), value=_brief(found[name])) for name in sorted(found, key=str)[:PARAMS]]
