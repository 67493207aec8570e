// Holds the entries' faces, written by hand, against what the addon exports. Types only: a difference fails the type check.

import type * as addon from "./addon.gen.d.ts";
import type { AgentToolkitAddon } from "./agent-toolkit/registry.ts";
import type { WorkforceAddon } from "./agent-workforce/orchestrator.ts";
import type { ModelFabricAddon } from "./model-fabric/fabric.ts";
import type { PersistenceAddon } from "./persistence/store.ts";
import type { RuntimeAddon } from "./runtime/core.ts";
import type { ToolGatewayAddon } from "./tool-gateway/gateway.ts";
import type { WorkspaceSessionAddon } from "./workspace-session/manager.ts";

type Fits<Face, Actual extends Face> = Actual;

export type RuntimeFits = Fits<RuntimeAddon, typeof addon>;
export type WorkforceFits = Fits<WorkforceAddon, typeof addon>;
export type ToolGatewayFits = Fits<ToolGatewayAddon, typeof addon>;
export type AgentToolkitFits = Fits<AgentToolkitAddon, typeof addon>;
export type WorkspaceSessionFits = Fits<WorkspaceSessionAddon, typeof addon>;
export type ModelFabricFits = Fits<ModelFabricAddon, typeof addon>;
export type PersistenceFits = Fits<PersistenceAddon, typeof addon>;
