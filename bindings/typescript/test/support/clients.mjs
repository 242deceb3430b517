/** Clients of a double. */
import { DataClient, ManagementClient } from "../../index.mjs";

export const SDK_TOKEN = "ik_sdk_0123abcd_9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f";
export const API_KEY = "ik_live_0123abcd_9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f";

export const management = (double, options = {}) =>
  new ManagementClient({ baseUrl: double.url, sdkToken: SDK_TOKEN, project: "acme", ...options });

export const data = (double, options = {}) =>
  new DataClient({ baseUrl: double.url, project: "acme", apiKey: API_KEY, ...options });

export const endpoint = (double, options = {}) => data(double, options).endpoint("bot");

/** What a promise rejects with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}
