/** Declare AI workloads in code, wait until they serve, call them, delete them. */
export { DataClient, Endpoint } from "./data";
export type {
  CallOptions,
  ChatParams,
  DataClientOptions,
  EmbedParams,
  Message,
  StreamParams,
} from "./data";
export { ManagementClient } from "./management";
export type { EnsureOptions, ManagementClientOptions, PlanOptions, ProjectOptions } from "./management";
export type { ClientOptions } from "./client";
export type { Clocks, Timeouts } from "./options";
export type { Ephemeral, EphemeralOptions } from "./ephemeral";
export { Backend, ExecutionPolicy, OnDrift, TaskType } from "./enums";
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
export type { ErrorFacts, Partial } from "./errors";
export type { MapError, MapParams, MapResult, Prompt } from "./map";
export { Plan } from "./plan";
export type { ApplyOptions, Change } from "./plan";
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
export { specFromFile, specsFromFile } from "./spec-file";
export type { SpecFileOptions } from "./spec-file";
export { TextStream } from "./stream";
export type { Workload } from "./workload";
