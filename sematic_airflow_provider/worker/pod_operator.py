"""SematicPodOperator: a KubernetesPodOperator that runs one PodTask. Imported only when a step goes to a pod."""

from __future__ import annotations

from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s

from sematic_airflow_provider.pod.spec import TASK_VARIABLE, PodTask
from sematic_airflow_provider.worker.pod_step import STEP_CONTAINER as CONTAINER

COMMAND = ("python", "-m", "sematic_airflow_provider.pod")


class SematicPodOperator(KubernetesPodOperator):
    """Runs a step in a pod. All of KubernetesPodOperator's parameters keep their meaning; a pod template may set everything but the command.

    :param step: what to run; it travels in an environment variable of the container, and holds refs, no values and no secrets
    """

    def __init__(self, *, step: PodTask, **kwargs: Any) -> None:
        super().__init__(cmds=list(COMMAND), arguments=[], do_xcom_push=False, base_container_name=CONTAINER, **kwargs)
        self.step = step

    def build_pod_request_obj(self, context: Any = None) -> k8s.V1Pod:
        """The pod that KubernetesPodOperator builds, with the PodTask in its environment."""
        pod = super().build_pod_request_obj(context)
        container = next(c for c in pod.spec.containers if c.name == CONTAINER)
        container.env = [*(container.env or []), k8s.V1EnvVar(name=TASK_VARIABLE, value=self.step.to_json())]
        return pod
