/** Name and version as they stand in documents and records; a test keeps it equal to package.json. */
export const tool = 'passway 0.1.0'
