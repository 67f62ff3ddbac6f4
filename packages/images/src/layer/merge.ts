import type { DirectoryNode, LayerNode } from './layer-tree.ts';

/**
 * Lays the tree of a layer over those below it, in place, honouring whiteouts and opaque directories as overlayfs would.
 * `lower` must be a merged tree already: an empty one, or an earlier result.
 */
export function layOver(lower: DirectoryNode, upper: DirectoryNode): void {
  // An implied directory says nothing about owner and mode: what is known from below stays.
  if (upper.entry !== undefined) lower.entry = upper.entry;
  if (upper.opaque) lower.children.clear();
  for (const [name, node] of upper.children) {
    const below = lower.children.get(name);
    if (node.kind === 'whiteout') lower.children.delete(name);
    else if (node.kind === 'directory' && below?.kind === 'directory') layOver(below, node);
    else lower.children.set(name, settled(node));
  }
}

/** Drops marks that concern layers below, for there are none. */
function settle(root: DirectoryNode): void {
  root.opaque = false;
  for (const [name, node] of root.children) {
    if (node.kind === 'whiteout') root.children.delete(name);
    else if (node.kind === 'directory') settle(node);
  }
}

function settled(node: LayerNode): LayerNode {
  if (node.kind === 'directory') settle(node);
  return node;
}
