"""``xgboost/1``: boosters of XGBoost and its scikit-learn wrappers, in XGBoost's own UBJSON.

``xgboost.Booster`` and the wrappers load the stored file themselves (``load_model``, named ``model.ubj``). What the file has no place for,
the wrapper's class and parameters, stands in an attribute of the booster.
"""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs import wrappers, xgboost_check
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_NOTE = "sematic"
_THEIR_NOTE = "scikit_learn"  # what the wrappers' own save_model writes, and load_model checks
_BOOSTER = '{"class":"Booster"}'
_WRAPPERS = ("XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


class XgboostCodec:
    """Trees, names and types of features, attributes, and the wrapper's parameters come back.

    A booster's training parameters do not: XGBoost's format has no place for them.
    """

    name = "xgboost/1"
    deterministic = True
    depends_on = ("xgboost", "xgboost-cpu")  # whichever is installed; its version stands in the file

    def handles(self, value: object) -> bool:
        """Exactly the classes of XGBoost itself."""
        xgboost = sys.modules.get("xgboost")
        return xgboost is not None and type(value) in (xgboost.Booster, *_wrappers(xgboost).values())

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the model."""
        import xgboost as xgb

        if isinstance(value, xgb.Booster):
            booster, notes = value.copy(), {_NOTE: _BOOSTER}
        elif not hasattr(value, "_Booster"):
            raise NoCodecError(
                f"this {type(value).__name__} is not fitted, so there is no model to store: return its get_params()"
            )
        else:
            kind = "classifier" if isinstance(value, xgb.XGBClassifier) else None
            kind = kind or ("ranker" if isinstance(value, xgb.XGBRanker) else "regressor")
            booster = value.get_booster().copy()
            notes = {_NOTE: wrappers.to_note(value, ["_Booster"]), _THEIR_NOTE: json.dumps({"_estimator_type": kind})}
        booster.set_attr(**notes)
        data = booster.save_raw("ubj")
        try:
            xgboost_check.check(memoryview(data))
        except ValueError as error:
            raise NoCodecError(
                f"XGBoost {xgb.__version__} wrote this model in a form that would not be read: {error}"
            ) from error
        file.write(data)

    def decode(self, data: memoryview) -> Any:
        """The booster or wrapper."""
        try:
            import xgboost as xgb
        except ImportError as error:
            raise MissingExtraError("reading an XGBoost model", "boosting") from error
        xgboost_check.check(data)
        booster = xgb.Booster()
        booster.load_model(bytearray(data))
        note = booster.attr(_NOTE)
        if note is None:
            raise ValueError("it has no note of its class")
        booster.set_attr(**{_NOTE: None})
        cls = wrappers.class_of(note, {"Booster": xgb.Booster, **_wrappers(xgb)})
        if cls is xgb.Booster:
            return booster
        model = cls()
        wrappers.restore(model, note)
        booster.set_attr(**{_THEIR_NOTE: None})
        if model.n_jobs is not None:
            booster.set_param({"nthread": model.n_jobs})
        model._Booster = booster
        return model


def _wrappers(xgboost: Any) -> dict[str, Any]:
    return {name: cls for name in _WRAPPERS if (cls := getattr(xgboost, name, None)) is not None}
