/**
 * Projects: an organization's isolated environments, and what each has chosen for itself. A project's own key minds that project
 * and knows of no other; a service key administers all of an organization's.
 */
import { z } from "zod";
import { merchant, newProject, project } from "./examples/access.ts";
import { projectId } from "./examples/cast.ts";
import { toolSets, type ToolSet } from "./meta-tools/index.ts";
import { AmountUnit } from "./money.ts";
import { operation, pageInput, Timestamp } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

export const SLUG_CHARS_MAX = 64;
/** Slugs that mean something else wherever a slug may stand. */
export const reservedSlugs: readonly string[] = ["default"];

const NAME_CHARS_MAX = 128;
const text = z.string().min(1).max(NAME_CHARS_MAX);

/** The company a project acts for: what a request may leave out is taken from here. */
export const Merchant = z.object({
  name: text,
  tax_id: z.string().regex(/^(\d{11}|\d{14})$/, "expected a CPF or CNPJ, digits only"),
  city: text,
  sender: z.object({
    postal_code: text, name: text, document: text, phone: text, line_1: text, number: text, city: text, state: text,
  }).meta({ id: "MerchantSender" }).describe("Where parcels leave from."),
  default_service: z.object({ description: text, service_code: text }).meta({ id: "MerchantService" })
    .describe("What an invoiced item is, unless it says so itself."),
  default_parcel: z.object({ weight_g: z.int().min(1), width_cm: z.int().min(1), height_cm: z.int().min(1), length_cm: z.int().min(1) })
    .meta({ id: "MerchantParcel" }).describe("What is shipped, unless the call says so."),
}).meta({ id: "Merchant" });

export const ProjectSettings = z.object({
  charge_amount_unit: AmountUnit.nullable()
    .describe("In which unit charges without `amount_unit` are written. Null: minor in test, and a refusal in live."),
  failover_when_not_reached: z.boolean().describe("Whether the next provider is tried when nothing left this machine."),
  strict_servers: z.boolean().describe("Whether direct calls of providers' own tools are bound by the session's servers, as agents and MCP always are."),
  tool_set: z.enum(Object.keys(toolSets) as [ToolSet, ...ToolSet[]]).describe("Which meta-tools models and sessions are shown: the nine, or all. Every one can be called."),
  merchant: Merchant.nullable(),
}).meta({ id: "ProjectSettings" });
export type ProjectSettings = z.output<typeof ProjectSettings>;

export const Project = z.object({
  id: z.string(),
  org_id: z.string(),
  name: z.string(),
  slug: z.string(),
  is_default: z.boolean().describe("Whether it is its organization's first choice in its environment."),
  environment: Environment,
  settings: ProjectSettings,
  created_at: Timestamp,
}).meta({ id: "Project" });
export type Project = z.output<typeof Project>;

const slug = z.string().describe(`Lowercase letters, digits, \`_\` and \`-\`, at most ${SLUG_CHARS_MAX}; unique in the organization.`);

export const createProject = operation({
  name: "projects.create",
  field: "createProject",
  summary: "Create a project, with a service key. A test project has every sandbox provider connected.",
  effect: "writes",
  scope: "projects:write",
  route: "POST /projects",
  successStatus: 201,
  input: z.object({
    name: text,
    slug,
    environment: Environment.optional().describe("For good. Unless told, that of the project you act in."),
  }),
  output: Project,
  errors: ["service_key_required", "slug_invalid", "slug_reserved", "slug_conflict"],
  examples: [{ input: { name: newProject.name, slug: newProject.slug, environment: "live" }, output: newProject }],
});

export const listProjects = operation({
  name: "projects.list",
  field: "projects",
  summary: "The key's own project; for a service key all of the organization's, newest first.",
  effect: "reads",
  scope: "projects:read",
  route: "GET /projects",
  input: z.object({ ...pageInput }),
  output: z.object({ projects: z.array(Project), next_before: z.string().nullable() }).meta({ id: "ProjectPage" }),
  errors: ["cursor_invalid"],
  examples: [{ input: { limit: 20, before: newProject.id }, output: { projects: [project], next_before: null } }],
});

export const getProject = operation({
  name: "projects.get",
  field: "project",
  summary: "One project, and what it has chosen for itself.",
  effect: "reads",
  scope: "projects:read",
  route: "GET /projects/{project_id}",
  input: z.object({ project_id: z.string() }),
  output: Project,
  errors: ["project_not_found"],
  examples: [{ input: { project_id: projectId }, output: project }],
});

export const updateProject = operation({
  name: "projects.update",
  field: "updateProject",
  summary: "Change a project's name, slug or settings, or make it the default of its environment. What is left out stays.",
  effect: "writes",
  scope: "projects:write",
  route: "PATCH /projects/{project_id}",
  input: z.object({
    project_id: z.string(),
    name: text.optional(),
    slug: slug.optional(),
    is_default: z.literal(true).optional().describe("Instead of the project that was it. For a service key."),
    environment: Environment.optional().describe("Cannot be changed; naming another one is refused."),
    settings: ProjectSettings.partial().meta({ id: "ProjectSettingsChange" }).optional().describe("Settings to change; null unsets one."),
  }),
  output: Project,
  errors: ["project_not_found", "service_key_required", "slug_invalid", "slug_reserved", "slug_conflict", "environment_immutable"],
  examples: [{
    input: { project_id: projectId, settings: { charge_amount_unit: "minor", merchant } },
    output: { ...project, settings: { ...project.settings, merchant } },
  }],
});
