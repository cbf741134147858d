/* A plugin for QEMU's code generator: how many instructions the guest executed, and how many of
 * them are RVV's. It writes "TOTAL VECTOR" into the file that its argument `counts=` names.
 *
 * The declarations are those of version 1 of QEMU's plugin interface, which 4.2 to 8.2 speak; with
 * them no header of QEMU is needed, and no header of a C library. */
typedef unsigned long long count_t;
typedef unsigned long size;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef count_t plugin_id;
enum { ADD_U64 = 0, INTERFACE = 1 };

size qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size qemu_plugin_insn_size(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, count_t);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

struct file;
struct file *fopen(const char *, const char *);
int fprintf(struct file *, const char *, ...);
int fclose(struct file *);
int strncmp(const char *, const char *, size);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = INTERFACE;

static count_t total, vector;
static const char *file_name;

/* RVV: the major opcode OP-V (0x57), and loads and stores of floats (0x07, 0x27) with a width that
 * scalar floats do not have (The RISC-V "V" extension 1.0, sections 5 and 7.3). */
static int is_vector(const unsigned char *bytes) {
    unsigned opcode = bytes[0] & 0x7f, width = (bytes[1] >> 4) & 7;
    return opcode == 0x57 || ((opcode == 0x07 || opcode == 0x27) && (width == 0 || width >= 5));
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block) {
    size instructions = qemu_plugin_tb_n_insns(block), vectors = 0;
    (void)id;
    for (size i = 0; i < instructions; i++) {
        struct qemu_plugin_insn *one = qemu_plugin_tb_get_insn(block, i);
        vectors += qemu_plugin_insn_size(one) == 4 && is_vector(qemu_plugin_insn_data(one));
    }
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &total, instructions);
    if (vectors) qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &vector, vectors);
}

static void on_exit(plugin_id id, void *unused) {
    struct file *file = file_name ? fopen(file_name, "w") : 0;
    (void)id, (void)unused;
    if (!file) return; /* whoever reads the count will miss it */
    fprintf(file, "%llu %llu\n", total, vector);
    fclose(file);
}

EXPORTED int qemu_plugin_install(
    plugin_id id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "counts=", 7)) file_name = argv[i] + 7;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit, 0);
    return 0;
}
