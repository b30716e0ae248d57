/* A libdcmi.so without hardware: one card of two chips with the documented signatures of dcmi_interface_api.h.
   The second chip has no HBM bandwidth and no power reading, as on a card whose first chip measures for both. */
#include <string.h>

struct dcmi_hbm_info {
    unsigned long long memory_size;
    unsigned int freq;
    unsigned long long memory_usage;
    int temp;
    unsigned int bandwith_util_rate;
};
struct dcmi_ecc_info {
    int enable_flag;
    unsigned int single_bit_error_cnt, double_bit_error_cnt, total_single_bit_error_cnt, total_double_bit_error_cnt,
        single_bit_isolated_pages_cnt, double_bit_isolated_pages_cnt;
};
struct dcmi_chip_info {
    unsigned char chip_type[32], chip_name[32], chip_ver[32];
    unsigned int aicore_cnt;
};

struct dcmi_pcie_info_all {
    unsigned int venderid, subvenderid, deviceid, subdeviceid;
    int domain;
    unsigned int bdf_busid, bdf_deviceid, bdf_funcid;
    unsigned char reserve[32];
};

static int begun = 0;

int dcmi_init(void) { begun = 1; return 0; }

int dcmi_get_card_list(int *card_num, int *card_list, int list_len) {
    if (!begun || list_len < 1) return -8005;
    *card_num = 1;
    card_list[0] = 4;
    return 0;
}

int dcmi_get_device_id_in_card(int card, int *device_id_max, int *mcu_id, int *cpu_id) {
    *device_id_max = 2; *mcu_id = 2; *cpu_id = -1;
    return card == 4 ? 0 : -8008;
}

int dcmi_get_device_logic_id(int *logic_id, int card, int device) {
    *logic_id = device;
    return card == 4 && device < 2 ? 0 : -8007;
}

int dcmi_get_device_chip_info(int card, int device, struct dcmi_chip_info *info) {
    strcpy((char *)info->chip_type, "Ascend");
    strcpy((char *)info->chip_name, "910B3");
    info->aicore_cnt = 20;
    return 0;
}

int dcmi_get_device_pcie_info_v2(int card, int device, struct dcmi_pcie_info_all *info) {
    memset(info, 0, sizeof *info);
    info->bdf_busid = 0xc1;
    return device == 1 ? -8255 : 0;
}

int dcmi_get_device_utilization_rate(int card, int device, int input_type, unsigned int *rate) {
    if (input_type == 10 && device == 1) return -8255;
    *rate = input_type == 2 ? 73 : input_type == 10 ? 41 : 0;
    return 0;
}

int dcmi_get_device_hbm_info(int card, int device, struct dcmi_hbm_info *info) {
    info->memory_size = 65536; info->freq = 1600; info->memory_usage = 3162; info->temp = 38; info->bandwith_util_rate = 41;
    return 0;
}

int dcmi_get_device_power_info(int card, int device, int *power) { *power = 936; return device == 1 ? -8255 : 0; }

int dcmi_get_device_temperature(int card, int device, int *temperature) { *temperature = 40; return 0; }

int dcmi_get_device_frequency(int card, int device, int input_type, unsigned int *frequency) {
    *frequency = input_type == 7 ? 1500 : input_type == 9 ? 1800 : 0;
    return 0;
}

int dcmi_get_device_ecc_info(int card, int device, int input_type, struct dcmi_ecc_info *info) {
    memset(info, 0, sizeof *info);
    info->single_bit_error_cnt = 9; info->double_bit_error_cnt = input_type == 2 ? 1 : 0;
    return 0;
}
