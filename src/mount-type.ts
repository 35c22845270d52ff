/** The type in mountinfo of every mount of ours. Alone here: `cas` needs nothing else of what makes mounts. */
export const OUR_TYPE = 'fuse.cas-mount';
