"use strict";

// Draws /openapi.json. Text is set as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function prose(text) {
  // Of Markdown only `code` and blank lines occur.
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) =>
    element("p", "", ...paragraph.split("`").map((part, index) => (index % 2 ? element("code", "", part) : part))));
}

function table(heads, rows) {
  const head = element("tr", "", ...heads.map((text) => element("th", "", text)));
  const body = rows.map((cells) => element("tr", "", ...cells.map((cell) =>
    element("td", "", ...(Array.isArray(cell) ? cell : [cell])))));
  return element("div", "scroll", element("table", "", element("thead", "", head), element("tbody", "", ...body)));
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `array of ${typeOf(schema.items)}`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type || "any";
}

function bounds(schema) {
  const names = { minimum: "≥", exclusiveMinimum: ">", maximum: "≤", exclusiveMaximum: "<", maxLength: "length ≤" };
  const found = [schema, ...(schema.anyOf || [])].flatMap((part) =>
    Object.entries(names).filter(([name]) => part[name] !== undefined).map(([name, sign]) => `${sign} ${part[name]}`));
  if (schema.default !== undefined && schema.default !== null) found.push(`default ${JSON.stringify(schema.default)}`);
  return found.join(", ");
}

function parameters(operation) {
  if (!operation.parameters || !operation.parameters.length) return [];
  const rows = operation.parameters.map((parameter) => [
    element("code", "", parameter.name),
    `${parameter.in}${parameter.required ? ", required" : ""}`,
    typeOf(parameter.schema),
    bounds(parameter.schema),
    parameter.description || "",
  ]);
  return [element("h3", "", "Parameters"), table(["Name", "In", "Type", "Bounds", "Meaning"], rows)];
}

function requestBody(operation) {
  if (!operation.requestBody) return [];
  const rows = Object.entries(operation.requestBody.content).map(([type, content]) => [
    element("code", "", type),
    content.schema.properties ? `part ${Object.keys(content.schema.properties).join(", ")}` : typeOf(content.schema),
  ]);
  return [element("h3", "", "Body"), ...prose(operation.requestBody.description), table(["Media type", "Content"], rows)];
}

function responses(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => [
    element("code", "", status),
    prose(response.description),
    Object.entries(response.content || {}).map(([type, content]) =>
      element("div", "", element("code", "", type), content.schema ? ` ${typeOf(content.schema)}` : "")),
  ]);
  const example = Object.values((operation.responses["200"] || {}).content || {}).find((content) => content.example);
  return [
    element("h3", "", "Answers"),
    table(["Status", "Meaning", "Media types"], rows),
    ...(example ? [element("h3", "", "Example"), element("pre", "", JSON.stringify(example.example, null, 1))] : []),
  ];
}

function operationNode(path, method, operation) {
  const summary = element("summary", "", element("span", "method", method.toUpperCase()),
    element("span", "path", path), element("span", "dim", operation.summary || ""));
  const node = element("details", "", summary, ...prose(operation.description), ...parameters(operation),
    ...requestBody(operation), ...responses(operation));
  node.id = operation.operationId;
  node.open = location.hash === `#${operation.operationId}`;
  return node;
}

function schemaNode(name, schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([property, part]) => [
    element("code", "", property), typeOf(part), bounds(part), required.has(property) ? "always" : "",
    part.description || "",
  ]);
  return element("details", "", element("summary", "", element("span", "path", name)), ...prose(schema.description),
    table(["Member", "Type", "Bounds", "Present", "Meaning"], rows));
}

function draw(api, main) {
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  const sections = (api.tags || []).flatMap((tag) => [
    element("h2", "", tag.name),
    ...prose(tag.description),
    ...operations.filter(([, , operation]) => (operation.tags || []).includes(tag.name))
      .map(([path, method, operation]) => operationNode(path, method, operation)),
  ]);
  const schemas = Object.entries((api.components || {}).schemas || {}).map(([name, schema]) => schemaNode(name, schema));
  main.replaceChildren(
    element("h1", "", `${api.info.title} ${api.info.version}`), ...prose(api.info.description),
    ...sections, element("h2", "", "Schemas"), ...schemas);
}

async function main() {
  const target = document.getElementById("reference");
  try {
    const response = await fetch("openapi.json");
    if (!response.ok) throw new Error(`status ${response.status}`);
    draw(await response.json(), target);
  } catch (error) {
    target.replaceChildren(element("p", "", `The OpenAPI document could not be read: ${error.message}.`));
  }
}

main();
