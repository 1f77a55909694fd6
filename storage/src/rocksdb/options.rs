//! How RocksDB is set up, and why.

use std::path::Path;

use ::rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Error,
    LogLevel, Options, WriteOptions,
};

/// The column family of `Space::Events`.
pub(super) const EVENTS: &str = "events";
/// The column family of `Space::Index`.
pub(super) const INDEX: &str = "index";

const MIB: usize = 1024 * 1024;

/// Bounds on memory, files and recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RocksSettings {
    /// Blocks, indexes and filters of all tables, shared by log and views. The filters of 10 million
    /// append ids take 12 MiB of it.
    pub block_cache_bytes: usize,
    /// Writes of the log that are not in tables yet, all together.
    pub log_memtables_bytes: usize,
    /// The same of the views. At a crash up to this much is rebuilt from the log.
    pub views_memtables_bytes: usize,
    /// The write-ahead log is never longer than about this: it is what a restart reads again.
    pub wal_bytes_max: u64,
    /// Table files held open, each database.
    pub open_files_max: i32,
    /// Threads that flush and compact, shared by both databases.
    pub background_jobs: i32,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self {
            block_cache_bytes: 32 * MIB,
            log_memtables_bytes: 48 * MIB,
            views_memtables_bytes: 16 * MIB,
            wal_bytes_max: 64 * MIB as u64,
            open_files_max: 256,
            background_jobs: 2,
        }
    }
}

impl RocksSettings {
    pub(super) fn block_cache(&self) -> Cache {
        Cache::new_lru_cache(self.block_cache_bytes)
    }
}

pub(super) fn open_log(path: &Path, settings: &RocksSettings, cache: &Cache) -> Result<DB, Error> {
    let (options, families) = log(settings, cache);
    DB::open_cf_descriptors(&options, path, families)
}

/// As it is on the disk now, also while another process writes to it. Every table is held open: the other
/// process may delete it.
pub(super) fn open_log_read_only(
    path: &Path,
    settings: &RocksSettings,
    cache: &Cache,
) -> Result<DB, Error> {
    let settings = RocksSettings { open_files_max: -1, ..*settings };
    let (options, families) = log(&settings, cache);
    DB::open_cf_descriptors_read_only(&options, path, families, false)
}

/// The same of the views.
pub(super) fn open_views_read_only(
    path: &Path,
    settings: &RocksSettings,
    cache: &Cache,
) -> Result<DB, Error> {
    let settings = RocksSettings { open_files_max: -1, ..*settings };
    DB::open_for_read_only(&views(&settings, cache), path, false)
}

fn log(settings: &RocksSettings, cache: &Cache) -> (Options, [ColumnFamilyDescriptor; 2]) {
    let mut options = common(settings);
    options.create_missing_column_families(true);
    // A batch that was cut off in the middle was not acknowledged: it is dropped. A record whose
    // checksum is wrong was: opening fails and names it. (This mode excludes recycling of old files,
    // whose stale tails look like damage; point-in-time recovery allows recycling, but takes damage for
    // the end and would silently drop acknowledged batches behind it.)
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A whole file of the write-ahead log that is missing is damage as well.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(settings.wal_bytes_max);
    options.set_db_write_buffer_size(settings.log_memtables_bytes);
    // One task writes: nothing is gained by the locks of parallel inserts.
    options.set_allow_concurrent_memtable_write(false);
    let memtable = settings.log_memtables_bytes / 3;
    let families = [
        ColumnFamilyDescriptor::new(EVENTS, events(memtable, cache)),
        ColumnFamilyDescriptor::new(INDEX, looked_up(memtable, cache)),
    ];
    (options, families)
}

pub(super) fn open_views(
    path: &Path,
    settings: &RocksSettings,
    cache: &Cache,
) -> Result<DB, Error> {
    DB::open(&views(settings, cache), path)
}

fn views(settings: &RocksSettings, cache: &Cache) -> Options {
    let mut options = looked_up(settings.views_memtables_bytes / 2, cache);
    shared(&mut options, settings);
    options.set_db_write_buffer_size(settings.views_memtables_bytes);
    options
}

/// Survives a crash when it returns.
pub(super) fn durable_writes() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

/// Survives a crash of the process; of the machine from the next synced write on.
pub(super) fn logged_writes() -> WriteOptions {
    WriteOptions::default()
}

/// Survives from the next flush on.
pub(super) fn unlogged_writes() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn common(settings: &RocksSettings) -> Options {
    let mut options = Options::default();
    shared(&mut options, settings);
    options
}

fn shared(options: &mut Options, settings: &RocksSettings) {
    options.create_if_missing(true);
    options.set_max_open_files(settings.open_files_max);
    options.set_max_background_jobs(settings.background_jobs);
    // RocksDB's own log file is for experts; keep it small.
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 * MIB);
    options.set_max_manifest_file_size(16 * MIB);
    // No thread that wakes up to write statistics nobody reads.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // Spread the write-back of big tables, so that a sync of the log does not wait for all of it.
    options.set_bytes_per_sync(MIB as u64);
    // Opening reads no statistics from every table: restart time must not grow with the log.
    options.set_skip_stats_update_on_db_open(true);
}

/// Records by position: written in order, read in order, always there.
fn events(memtable: usize, cache: &Cache) -> Options {
    let mut options = family(memtable);
    // Tables never overlap, so compaction only moves them; big ones keep their number small.
    options.set_target_file_size_base(64 * MIB as u64);
    let mut table = table(cache);
    // JSON compresses well in bigger blocks, and neighbours are read together.
    table.set_block_size(16 * 1024);
    options.set_block_based_table_factory(&table);
    options
}

/// Keys that are looked up one by one, and most often are not there: a new stream, a new append id.
fn looked_up(memtable: usize, cache: &Cache) -> Options {
    let mut options = family(memtable);
    options.set_target_file_size_base(16 * MIB as u64);
    // The same answer "not there" for what is still in memory.
    options.set_memtable_prefix_bloom_ratio(0.05);
    options.set_memtable_whole_key_filtering(true);
    let mut table = table(cache);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_optimize_filters_for_memory(true);
    options.set_block_based_table_factory(&table);
    options
}

fn family(memtable: usize) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(memtable);
    // One that is written to, one or two that are being flushed.
    options.set_max_write_buffer_number(3);
    // The same on every level: a table that overlaps nothing is moved, not rewritten.
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters count against the cache: memory stays bounded as the log grows.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    table
}
