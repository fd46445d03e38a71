// What a browser needs; Node adds FolderStore of folder.js.
export {LakebedError} from "./errors.js";
export {FetchStore} from "./store.js";
export {Dataset, Item, Tensor, open} from "./dataset.js";
export {Writer} from "./write.js";
export {check} from "./check.js";
