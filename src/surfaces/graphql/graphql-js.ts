/**
 * graphql-js, by the file that Node loads for yoga, Pothos and everyone else. The package carries a second build for
 * bundlers; a test runner that resolves like one would give us that, and its classes are strangers to yoga's.
 */
export * from "graphql/index.js";
