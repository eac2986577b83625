"""``lightgbm/1``: boosters of LightGBM and its scikit-learn wrappers, in LightGBM's own text.

``lightgbm.Booster(model_file=...)`` loads the stored file. What the text has no place for, the wrapper's class and parameters, stands in one line behind the
parameters, which LightGBM skips.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs import lightgbm_check, wrappers
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_NOTE = "\nsematic:"
_CATEGORIES = "\npandas_categorical:"  # LightGBM looks for it in the last line
_WRAPPERS = ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
_OF_CLASSES = ("_le", "_class_map")  # made of the classes again


class LightgbmCodec:
    """All trees, also those after the best iteration; categories; and the wrapper's parameters and scores."""

    name = "lightgbm/1"
    deterministic = True
    depends_on = ("lightgbm",)

    def handles(self, value: object) -> bool:
        """Exactly the classes of LightGBM itself."""
        lightgbm = sys.modules.get("lightgbm")
        return lightgbm is not None and type(value) in (lightgbm.Booster, *_wrappers(lightgbm).values())

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the model."""
        import lightgbm as lgb

        if isinstance(value, lgb.Booster):
            booster, note = value, wrappers.to_note(_Scores(value.best_iteration, value.best_score))
        elif getattr(value, "_Booster", None) is None:
            raise NoCodecError(
                f"this {type(value).__name__} is not fitted, so there is no model to store: return its get_params()"
            )
        else:
            booster, note = value._Booster, wrappers.to_note(value, ["_Booster", *_OF_CLASSES])
        text, separator, categories = booster.model_to_string(num_iteration=-1).rpartition(_CATEGORIES)
        if not separator:
            raise NoCodecError("LightGBM wrote a model without its line of categories: this version is not known")
        try:
            lightgbm_check.check(text, _parameters(lgb))
        except ValueError as error:
            raise NoCodecError(
                f"LightGBM {lgb.__version__} wrote this model in a form that would not be read: {error}"
            ) from error
        file.write(f"{text}{_NOTE}{note}\n{separator}{categories.rstrip()}\n".encode())

    def decode(self, data: memoryview) -> Any:
        """The booster or wrapper."""
        try:
            import lightgbm as lgb
        except ImportError as error:
            raise MissingExtraError("reading a LightGBM model", "boosting") from error
        text = str(data, "utf-8")
        before, found, after = text.rpartition(_NOTE)
        note, newline, rest = after.partition("\n")
        if not found or not newline or not rest.startswith(_CATEGORIES) or not rest.endswith("\n"):
            raise ValueError("it has no note of its class, or its end is missing")
        lightgbm_check.check(before, _parameters(lgb))
        cls = wrappers.class_of(note, {"Booster": lgb.Booster, **_wrappers(lgb)})
        model: Any = _Scores() if cls is lgb.Booster else cls()
        wrappers.restore(model, note)
        booster = lgb.Booster(model_str=before + rest)
        if cls is lgb.Booster:
            booster.best_iteration, booster.best_score = model.best_iteration, model.best_score
            return booster
        booster.best_iteration, booster.best_score = model._best_iteration, model._best_score
        model._Booster = booster
        if getattr(model, "_classes", None) is not None:
            model._le = lgb.sklearn._LGBMLabelEncoder()
            model._le.classes_ = model._classes
            model._class_map = dict(zip(model._classes, model._le.transform(model._classes), strict=True))
        return model


class _Scores:
    """What a booster keeps beside its text."""

    def __init__(self, best_iteration: int = -1, best_score: Any = None) -> None:
        self.best_iteration, self.best_score = best_iteration, best_score


_Scores.__name__ = "Booster"


def _wrappers(lightgbm: Any) -> dict[str, Any]:
    return {name: cls for name in _WRAPPERS if (cls := getattr(lightgbm, name, None)) is not None}


def _parameters(lightgbm: Any) -> Any:
    """The names of all parameters that this LightGBM knows: it ends the process when it is asked for another."""
    return lightgbm.basic._ConfigAliases._get_all_param_aliases()
