/** What the simulator and our own tests use; no promise to anybody else. */
export {};
