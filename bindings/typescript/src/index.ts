/** Declare AI workloads in code, wait until they serve, call them, delete them. */

export type { ClientOptions } from "./client";
export type {
  CallOptions,
  ChatParams,
  DataClientOptions,
  EmbedParams,
  Message,
  StreamParams,
} from "./data";
export { DataClient, Endpoint } from "./data";
export { Backend, ExecutionPolicy, OnDrift, TaskType } from "./enums";
export type { Ephemeral, EphemeralOptions } from "./ephemeral";
export type { ErrorFacts, Partial } from "./errors";
export {
  ApiError,
  AuthError,
  Cancelled,
  ConfigurationError,
  Conflict,
  ConnectionFailed,
  DriftError,
  EndpointWarming,
  ForkedError,
  InferenceKeyError,
  InternalError,
  LimitExceeded,
  NotFound,
  PermissionDenied,
  PlanStale,
  ProtocolError,
  ProxyError,
  RateLimited,
  ServerError,
  StreamStalled,
  StreamTruncated,
  Timeout,
  TlsError,
  ValidationError,
  WaitTimeout,
  WorkloadFailed,
} from "./errors";
export type { EnsureOptions, ManagementClientOptions, PlanOptions, ProjectOptions } from "./management";
export { ManagementClient } from "./management";
export type { MapError, MapParams, MapResult, Prompt } from "./map";
export type { Clocks, Timeouts } from "./options";
export type { ApplyOptions, Change } from "./plan";
export { Plan } from "./plan";
export type { ReadinessOptions, WaitOptions } from "./readiness";
export type {
  Account,
  EmbedResult,
  ReadinessEvent,
  ReadinessPhase,
  TextChunk,
  TextResult,
  Timing,
  Usage,
} from "./results";
export type { Retry, RetryPolicy } from "./retry";
export type { EndpointRef, WorkloadSpec } from "./spec";
export type { SpecFileOptions } from "./spec-file";
export { specFromFile, specsFromFile } from "./spec-file";
export { TextStream } from "./stream";
export type { Workload } from "./workload";
