export * from "./answers.ts";
export * from "./client.ts";
export * from "./events.ts";
export * from "./problem.ts";
