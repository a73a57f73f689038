/** What a query may cost before it runs. All of it is decided by the text alone, before anyone is authenticated. */
import { createLRUCache, type Plugin } from "graphql-yoga";
import {
  GraphQLError, Kind, NoSchemaIntrospectionCustomRule, parse,
  type ASTVisitor, type DocumentNode, type FragmentDefinitionNode, type SelectionNode, type SelectionSetNode,
  type ValidationContext,
} from "./graphql-js.ts";

const DEPTH_MAX = 12;
const ALIASES_MAX = 30;
const TOKENS_MAX = 2_000;
/** Of the text, so that comments and strings are bounded too. */
const DOCUMENT_CHARS_MAX = 32_768;

/** Parsed documents are kept for anyone who sends them, so both their number and their size are bounded. */
const CACHED_DOCUMENTS_MAX = 500;
const CACHED_DOCUMENT_CHARS_MAX = 4_096;

export function useLimits({ development }: { development: boolean }): Plugin {
  return {
    onParse({ params, setParseFn }) {
      if (String(params.source).length > DOCUMENT_CHARS_MAX)
        throw refused(`The document is longer than ${DOCUMENT_CHARS_MAX} characters.`);
      setParseFn(parseBounded);
    },
    onValidate({ addValidationRule }) {
      addValidationRule(DepthAndAliasesRule);
      if (!development) addValidationRule(NoSchemaIntrospectionCustomRule);
    },
  };
}

/** For yoga's parser cache. Documents that do not parse are not kept at all. */
export function boundedParserCache() {
  const documents = createLRUCache<DocumentNode>({ max: CACHED_DOCUMENTS_MAX });
  return {
    documentCache: {
      get: (text: string) => documents.get(text),
      set: (text: string, document: DocumentNode) => {
        if (text.length <= CACHED_DOCUMENT_CHARS_MAX) documents.set(text, document);
      },
    },
    errorCache: { get: () => undefined, set: () => {} },
  };
}

const parseBounded: typeof parse = (source, options) => parse(source, { ...options, maxTokens: TOKENS_MAX });

const refused = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "GRAPHQL_VALIDATION_FAILED", http: { status: 400, spec: true } } });

function DepthAndAliasesRule(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  return {
    Field(node) {
      if (node.alias === undefined) return;
      aliases += 1;
      if (aliases === ALIASES_MAX + 1)
        context.reportError(new GraphQLError(`The document has more than ${ALIASES_MAX} aliases.`, { nodes: node }));
    },
    OperationDefinition(node) {
      if (depthOf(node.selectionSet, context, new Map()) > DEPTH_MAX)
        context.reportError(new GraphQLError(`The query is deeper than ${DEPTH_MAX} levels.`, { nodes: node }));
    },
  };
}

type KnownDepths = Map<FragmentDefinitionNode, number>;

/** Levels of fields, fragments looked through. A fragment inside itself counts nothing: another rule refuses it. */
function depthOf({ selections }: SelectionSetNode, context: ValidationContext, fragments: KnownDepths): number {
  return selections.reduce((deepest, each) => Math.max(deepest, depthOfSelection(each, context, fragments)), 0);
}

function depthOfSelection(selection: SelectionNode, context: ValidationContext, fragments: KnownDepths): number {
  switch (selection.kind) {
    case Kind.FIELD: // introspection is deep by nature, and refused where it is not wanted
      if (selection.name.value.startsWith("__")) return 0;
      return 1 + (selection.selectionSet === undefined ? 0 : depthOf(selection.selectionSet, context, fragments));
    case Kind.INLINE_FRAGMENT:
      return depthOf(selection.selectionSet, context, fragments);
    case Kind.FRAGMENT_SPREAD: {
      const fragment = context.getFragment(selection.name.value);
      if (fragment == null) return 0;
      const known = fragments.get(fragment);
      if (known !== undefined) return known;
      fragments.set(fragment, 0);
      const depth = depthOf(fragment.selectionSet, context, fragments);
      fragments.set(fragment, depth);
      return depth;
    }
  }
}
