import { ArtifactNodeView } from "./ArtifactNode";
import { DatasetNodeView } from "./DatasetNode";
import { RunNodeView } from "./RunNode";

/** A constant outside components: React Flow remounts every node when this object changes. */
export const nodeTypes = { run: RunNodeView, artifact: ArtifactNodeView, dataset: DatasetNodeView };
